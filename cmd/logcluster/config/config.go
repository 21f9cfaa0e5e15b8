// Package config loads a configuration struct from one strict YAML file and
// from path=value settings of the command line, and prints it again with
// secrets masked.
//
// It knows no field of the program: it is given a pointer to a struct that
// already holds the defaults, and works by reflection over its yaml tags. It
// reports every problem of a file at once, each with its line: syntax, unknown
// and repeated fields, wrong types, and what the Validate methods of the
// packages object to.
//
// Secrets are kept out of the file: a package asks for them with a field that
// is called file or env, or ends so: the name of a file, or of an environment
// variable. Those that may stand in the file have a type that prints a mask.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// MaxFileBytes is the largest configuration file that is read. A real one is
// a few kilobytes; the limit keeps a wrong file name (a recording, a device)
// from being read whole.
const MaxFileBytes = 1 << 20

// Source says where settings come from, in ascending priority: what the
// struct holds already, the file, Set.
type Source struct {
	// Name is the file's name, for messages.
	Name string
	// YAML is the file's content. Empty means no file.
	YAML []byte
	// Set are path=value settings, applied in order. A later one wins. An item
	// of a list is written brokers[0]; a whole list of scalars a,b,c.
	Set []string
	// Unused are sections (paths) whose values are not validated, because
	// nothing is going to use them.
	Unused []string
}

// LoadFile is [Load] with the name and the content of a file added to the
// source. An empty name means that there is no file.
func LoadFile(name string, src Source, into any) error {
	if src.Name = name; name != "" {
		b, err := readFile(name)
		if err != nil {
			return fmt.Errorf("read configuration: %w", err)
		}
		src.YAML = b
	}
	return Load(src, into)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes: not a configuration file", name, MaxFileBytes)
	}
	return b, nil
}

// Load applies the source to the struct that into points to and validates the
// result: see [Validate]. The error, if any, is a [Problems] with everything
// that is wrong; the struct is then partly filled and must not be used.
func Load(src Source, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("load configuration: %T is not a pointer to a struct", into)
	}
	d := &decoder{file: src.Name, at: map[string]position{}, unused: src.Unused}
	d.document(src.YAML, v.Elem())
	for _, s := range src.Set {
		d.set(s, v.Elem())
	}
	// A value of a wrong type stays at its default, about which there is
	// nothing to say: both kinds of problems can be shown together.
	d.validate(v)
	if len(d.problems) == 0 {
		return nil
	}
	return d.problems.sorted()
}

// document decodes the one YAML document of the file into the root struct.
func (d *decoder) document(b []byte, root reflect.Value) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return // empty, or nothing but comments: the defaults
	}
	if err != nil {
		d.syntax(err)
		return
	}
	if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
		d.value(doc.Content[0], root, "")
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		d.add(position{file: d.file, line: more.Line}, "", "a second document (after ---): one file holds one configuration")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
}
