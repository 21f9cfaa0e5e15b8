package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifests are the files that paths lead to, in the order in which they are
// read, and what was wrong on the way.
type manifests struct {
	files    []manifest
	problems []error
	full     bool // there are more than MaxFiles
}

// manifest is a file as it was found.
type manifest struct {
	path string
	info fs.FileInfo // of what a link points to
}

func findManifests(paths []string) *manifests {
	m := &manifests{}
	for _, p := range paths {
		m.path(p, 0)
	}
	return m
}

// same reports whether nothing seems to have changed: the same files, by name,
// identity, size and time of modification, and the same problems. What make and
// rsync go by; the identity tells when a link (a mounted ConfigMap is one) points
// elsewhere.
func (m *manifests) same(as *manifests) bool {
	return slices.EqualFunc(m.files, as.files, manifest.same) &&
		slices.EqualFunc(m.problems, as.problems, func(a, b error) bool { return a.Error() == b.Error() })
}

func (f manifest) same(as manifest) bool {
	return f.path == as.path && os.SameFile(f.info, as.info) &&
		f.info.Size() == as.info.Size() && f.info.ModTime().Equal(as.info.ModTime())
}

func (m *manifests) problem(err error) { m.problems = append(m.problems, err) }

// path finds a file, or those of a directory.
func (m *manifests) path(path string, depth int) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		m.problem(err)
	case info.IsDir():
		m.directory(path, depth)
	case !info.Mode().IsRegular():
		m.problem(fmt.Errorf("%s: not a regular file", path))
	case len(m.files) >= MaxFiles:
		if !m.full {
			m.problem(fmt.Errorf("%s: more than %d files", path, MaxFiles))
		}
		m.full = true
	default:
		m.files = append(m.files, manifest{path, info})
	}
}

func (m *manifests) directory(path string, depth int) {
	if depth >= MaxDepth {
		m.problem(fmt.Errorf("%s: more than %d directories deep", path, MaxDepth))
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		m.problem(err)
		return
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		child := filepath.Join(path, name)
		if e.IsDir() {
			m.directory(child, depth+1)
			continue
		}
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			continue
		}
		if info, err := os.Stat(child); err == nil && info.IsDir() {
			continue
		}
		m.path(child, depth+1)
	}
}
