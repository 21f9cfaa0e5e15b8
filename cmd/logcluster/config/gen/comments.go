package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

const module = "github.com/logcluster/logcluster"

// moduleRoot returns the directory of go.mod, at or above the current one.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("find go.mod: run this inside of the repository")
		}
		dir = above
	}
}

// comments are the doc comments of fields, by import path, type and field.
type comments map[[3]string]string

// readComments reads the sources of every package that has fields, and fails
// if one of them is not documented.
func readComments(root string, fields []config.Field) (comments, error) {
	found := comments{}
	read := map[string]bool{}
	var errs []error
	for _, f := range fields {
		dir, ok := strings.CutPrefix(f.Package, module)
		if !ok {
			errs = append(errs, fmt.Errorf("field %s is of package %s, whose comments are not ours", f.Path, f.Package))
			continue
		}
		if !read[f.Package] {
			read[f.Package] = true
			if err := found.readPackage(f.Package, filepath.Join(root, dir)); err != nil {
				return nil, err
			}
		}
		if found[[3]string{f.Package, f.Struct, f.Name}] == "" {
			errs = append(errs, fmt.Errorf("field %s (%s.%s.%s) has no doc comment", f.Path, f.Package, f.Struct, f.Name))
		}
	}
	return found, errors.Join(errs...)
}

func (c comments) readPackage(path, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("read comments: %w", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					c.readStruct(path, spec.Name.Name, s)
				}
			}
			return true
		})
	}
	return nil
}

// readStruct keeps the comment of each field. One without a comment of its own
// has that of the field before, if that speaks of both.
func (c comments) readStruct(path, name string, s *ast.StructType) {
	names := map[string]string{}
	for _, f := range s.Fields.List {
		for _, id := range f.Names {
			names[id.Name] = yamlName(f, id.Name)
		}
	}
	last := ""
	for _, f := range s.Fields.List {
		for _, id := range f.Names {
			text := f.Doc.Text()
			if text == "" && mentions(last, id.Name) {
				text = last
			}
			last = text
			c[[3]string{path, name, id.Name}] = prose(text, names)
		}
	}
}

func yamlName(f *ast.Field, name string) string {
	if f.Tag == nil {
		return strings.ToLower(name)
	}
	_, tag, _ := strings.Cut(f.Tag.Value, `yaml:"`)
	tag, _, _ = strings.Cut(tag, `"`)
	tag, _, _ = strings.Cut(tag, ",")
	return tag
}

func mentions(text, name string) bool {
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(text)
}

var (
	docLink  = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
	goName   = regexp.MustCompile(`\b(?:[A-Z][A-Za-z]*\.)?([A-Z][A-Za-z]*)\b`)
	twoWords = regexp.MustCompile(`[a-z][A-Z]`)
	newLines = regexp.MustCompile(`[ \t]*\n[ \t]*`)
)

// prose turns a doc comment into text for people who know the file and not the
// code: Go names of fields of the struct become the file's names.
func prose(text string, names map[string]string) string {
	text = docLink.ReplaceAllString(text, "$1")
	begun := false
	text = goName.ReplaceAllStringFunc(text, func(match string) string {
		name := match[strings.LastIndexByte(match, '.')+1:]
		// Within the text a single word (URL, Topic) is most likely English.
		if yaml := names[name]; yaml != "" && (twoWords.MatchString(name) || !begun) {
			begun = true
			return "`" + yaml + "`"
		}
		begun = true
		return match
	})
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = newLines.ReplaceAllString(p, " ")
	}
	return strings.Join(paragraphs, "\n\n")
}
