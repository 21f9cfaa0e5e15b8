package config

import (
	"reflect"
	"slices"
	"strings"
)

// Field describes one field of a configuration for a reader.
type Field struct {
	// Path is how --set and the reference name it: alert.loki.url. An item of
	// a list of sections is written alert.alertmanagers[].url.
	Path string
	// Type is what it takes, in words.
	Type string
	// Default is the default as YAML would give it on one line.
	Default string
	// Section is true for a field that has fields below it.
	Section bool
	// Package, Struct and Name are where its documentation stands: the import
	// path, the type and the Go field.
	Package, Struct, Name string
}

// Fields returns every field of the configuration that cfg points to, in the
// order of the source, sections before what is in them. The values that cfg
// holds are taken for the defaults.
func Fields(cfg any) []Field {
	v := reflect.ValueOf(cfg)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fieldsBelow(v, "")
}

func fieldsBelow(v reflect.Value, path string) []Field {
	var out []Field
	for _, f := range fieldsOf(v.Type()) {
		owner, goName := ownerOf(v.Type(), f.index)
		at := Field{
			Path: join(path, f.name), Package: owner.PkgPath(), Struct: owner.Name(), Name: goName,
		}
		fv := v.FieldByIndex(f.index)
		below, suffix := sectionOf(fv)
		at.Type = describe(fv.Type())
		at.Section = below.IsValid()
		if !at.Section || suffix != "" {
			at.Default = oneLine(fv, f.name)
		}
		out = append(out, at)
		if at.Section {
			out = append(out, fieldsBelow(below, at.Path+suffix)...)
		}
	}
	return out
}

// ownerOf returns the struct that declares the field at index, and its name.
func ownerOf(t reflect.Type, index []int) (reflect.Type, string) {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
	}
	return t, t.Field(index[len(index)-1]).Name
}

// sectionOf returns a struct whose fields stand below v, if there are any, and
// what is appended to the path to name them.
func sectionOf(v reflect.Value) (below reflect.Value, suffix string) {
	t := v.Type()
	for {
		switch {
		case isText(t):
			return reflect.Value{}, ""
		case t.Kind() == reflect.Struct:
			if suffix == "" && v.Kind() == reflect.Struct {
				return v, ""
			}
			return reflect.New(t).Elem(), suffix
		case t.Kind() == reflect.Pointer:
			t = t.Elem()
		case t.Kind() == reflect.Slice:
			t, suffix = t.Elem(), suffix+"[]"
		case t.Kind() == reflect.Map:
			t, suffix = t.Elem(), suffix+".<name>"
		default:
			return reflect.Value{}, ""
		}
	}
}

// describe names a type in the words of the reference.
func describe(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Slice && !isText(t):
		return "list of " + strings.TrimPrefix(strings.TrimPrefix(describe(t.Elem()), "a "), "an ")
	case t.Kind() == reflect.Map:
		return "names, each with " + nameOf(t.Elem())
	case t.Kind() == reflect.Pointer:
		return describe(t.Elem())
	default:
		return strings.TrimPrefix(nameOf(t), "a ")
	}
}

// oneLine returns a value as YAML in flow style.
func oneLine(v reflect.Value, name string) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return ""
	case v.Kind() == reflect.Pointer:
		return oneLine(v.Elem(), name)
	case isText(v.Type()) || isScalar(v.Type()):
		s, tag, err := text(v)
		if err != nil {
			return ""
		}
		if tag == "!!str" && v.Type() != durationType {
			return `"` + mask(name, s) + `"`
		}
		return s
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = oneLine(v.Index(i), name)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.Map:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k.String()+": "+oneLine(v.MapIndex(k), name))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case v.Kind() == reflect.Struct:
		var parts []string
		for _, f := range fieldsOf(v.Type()) {
			parts = append(parts, f.name+": "+oneLine(v.FieldByIndex(f.index), f.name))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return ""
	}
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
