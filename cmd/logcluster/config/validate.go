package config

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
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

func (d *decoder) validate(ptr reflect.Value) {
	d.paths = map[string]bool{}
	for _, f := range fieldsBelow(ptr.Elem(), "") {
		d.paths[f.Path] = strings.HasPrefix(f.Type, "names,")
	}
	d.validateAt(ptr.Elem(), "")
}

// validateAt asks v if it can be asked, else what is below it. Whoever has a
// Validate method speaks for everything inside.
func (d *decoder) validateAt(v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if slices.Contains(d.unused, path) {
		return
	}
	if v.CanAddr() {
		if c, ok := v.Addr().Interface().(validator); ok {
			for _, text := range flatten(c.Validate()) {
				d.object(path, text)
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range sectionsOf(v.Type()) {
			d.validateAt(v.FieldByIndex(f.index), join(path, f.name))
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.validateAt(v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	}
}

// flatten returns the texts of the errors that were joined, each with what was
// wrapped around the join in front of it.
func flatten(err error) []string {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	inner := errors.Unwrap(err)
	around, wrapped := "", false
	if inner != nil {
		around, wrapped = strings.CutSuffix(err.Error(), inner.Error())
	}
	if !wrapped {
		return []string{err.Error()}
	}
	out := flatten(inner)
	for i := range out {
		out[i] = around + out[i]
	}
	return out
}

var (
	fieldPath = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]*(?:\[\d+\])?(?:\.[A-Za-z0-9_-]+(?:\[\d+\])?)*)(?:: | )`)
	itemIndex = regexp.MustCompile(`\[\d+\]`)
)

// object adds a validator's objection at the line of the field it names, or,
// when the file does not give that field, of the nearest section around it.
func (d *decoder) object(base, text string) {
	path := base
	for {
		m := fieldPath.FindStringSubmatch(text)
		if m == nil {
			break
		}
		next := ""
		// In a table any word could be a name: there only one with a colon is.
		named := strings.HasSuffix(m[0], ": ")
		for _, p := range []string{m[1], join(path, m[1])} {
			if p != path && strings.HasPrefix(p, path) && d.known(p, named) {
				next = p
			}
		}
		if next == "" {
			break
		}
		path, text = next, text[len(m[0]):]
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

// known reports whether the path is a field, an item of a list or, with names, what
// is below a name in a table: what stands before a colon in an objection can be
// prose too.
func (d *decoder) known(path string, names bool) bool {
	for p := range d.paths {
		generic := itemIndex.ReplaceAllString(path, "[]")
		if generic == p || generic == p+"[]" {
			return true
		}
		if names && d.paths[p] && strings.HasPrefix(generic, p+".") {
			return true
		}
	}
	return false
}

// parent returns the path without its last step, "" at the root.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}
