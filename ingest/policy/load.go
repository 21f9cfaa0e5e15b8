package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Limits of what is read. They are far above what a large cluster has (the
// RBAC objects of one with 10,000 bindings take about 10 MB) and protect
// against pointing at the wrong thing.
const (
	// MaxFileBytes bounds the size of one file.
	MaxFileBytes = 64 << 20
	// MaxFiles bounds how many files are read from directories.
	MaxFiles = 10_000
	// MaxDepth bounds how deep directories and lists are nested.
	MaxDepth = 16
)

// maxProblems bounds how many problems are told at once.
const maxProblems = 20

// Loaded is what was read.
type Loaded struct {
	Objects rbac.Objects
	// Files and Documents are how many were read. A list is one document.
	Files, Documents int
	// Skipped counts the objects that are not RBAC objects, by
	// "apiVersion/Kind". Nil when there are none.
	Skipped map[string]int
}

// LoadFiles reads manifests from files and directories, in the order given.
// A file is YAML of one or many documents or JSON; a document is an object or a
// list of objects. Directories are read recursively in ascending order of name:
// files ending in .yaml, .yml or .json, following links to files but not to
// directories, without names that begin with a dot (so a mounted ConfigMap is
// read once). Roles, ClusterRoles and their bindings of rbac.authorization.k8s.io
// v1 and v1beta1 are kept in the order read; other objects are counted.
//
// An error tells all problems found (20 at most), each with its file, document
// and line; nothing is loaded then.
func LoadFiles(paths ...string) (*Loaded, error) { return findManifests(paths).load() }

// load reads the manifests that were found.
func (m *manifests) load() (*Loaded, error) {
	l := loader{loaded: &Loaded{Files: len(m.files)}, problems: slices.Clone(m.problems)}
	for i := range m.files {
		l.file(m.files[i].path)
	}
	if err := joined(l.problems); err != nil {
		return nil, err
	}
	return l.loaded, nil
}

// joined returns an error that tells the first problems, nil without any.
func joined(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], fmt.Errorf("and %d more problems", more))
	}
	return fmt.Errorf("load RBAC manifests: %w", errors.Join(problems...))
}

// loader collects what is read and what is wrong with it.
type loader struct {
	loaded   *Loaded
	problems []error
}

func (l *loader) problem(err error) { l.problems = append(l.problems, err) }

func (l *loader) file(path string) {
	data, err := readLimited(path)
	if err != nil {
		l.problem(err)
		return
	}
	docs := splitDocuments(data)
	for i, d := range docs {
		d.where = path
		if len(docs) > 1 {
			d.where = fmt.Sprintf("%s: document %d (line %d)", path, i+1, d.line)
		}
		l.document(d)
	}
}

// readLimited reads a file that is small enough. The size is judged by what is
// read, since a file may grow.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, MaxFileBytes>>20)
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}
