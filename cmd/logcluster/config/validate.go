package config

import (
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// validator is what a package's Config implements. It does no I/O. Its error,
// or each error that it joins, begins with the path of the field, relative to
// the struct or from the root: "loki.url: must be absolute".
type validator interface{ Validate() error }

// Validate asks the struct that cfg points to, or, when it has no Validate
// method, each of its sections, and returns what they object to as
// [Problems], or nil.
func Validate(cfg any) error {
	d := &decoder{}
	d.validate(reflect.ValueOf(cfg))
	if len(d.problems) == 0 {
		return nil
	}
	return d.problems.sorted()
}

func (d *decoder) validate(ptr reflect.Value) { d.validateAt(ptr.Elem(), "") }

// validateAt asks v if it can be asked, else what is below it. Whoever has a
// Validate method speaks for everything inside.
func (d *decoder) validateAt(v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.CanAddr() {
		if c, ok := v.Addr().Interface().(validator); ok {
			for _, e := range flatten(c.Validate()) {
				d.object(path, e)
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			d.validateAt(v.FieldByIndex(f.index), join(path, f.name))
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.validateAt(v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	}
}

// flatten returns the errors that were joined, the innermost joins first
// taken apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

var fieldPath = regexp.MustCompile(`^([a-z][a-z0-9_]*(?:\[\d+\])?(?:\.[A-Za-z0-9_-]+(?:\[\d+\])?)*): `)

// object adds a validator's objection at the line of the field it names, or,
// when the file does not give that field, of the nearest section around it.
func (d *decoder) object(base string, err error) {
	text, path := err.Error(), base
	if m := fieldPath.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		path = m[1]
		if base != "" && path != base && !strings.HasPrefix(path, base+".") && !strings.HasPrefix(path, base+"[") {
			path = join(base, path)
		}
	}
	at := position{}
	for p := path; p != ""; p = parent(p) {
		if where, ok := d.at[p]; ok {
			at = where
			break
		}
	}
	d.add(at, path, text)
}

// parent returns the path without its last step, "" at the root.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}
