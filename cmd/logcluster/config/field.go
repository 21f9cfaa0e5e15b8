package config

import (
	"reflect"
	"slices"
	"strings"
)

// field is one field of a struct as the file names it.
type field struct {
	name  string
	index []int
}

// fieldsOf returns the fields of a struct type in the order of the source.
// Fields of embedded structs and of those tagged ",inline" count as the
// struct's own; unexported fields and those tagged "-" do not exist.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range sectionsOf(t) {
		if f.name != "" {
			out = append(out, f)
			continue
		}
		for _, sub := range fieldsOf(t.FieldByIndex(f.index).Type) {
			sub.index = append(slices.Clone(f.index), sub.index...)
			out = append(out, sub)
		}
	}
	return out
}

// sectionsOf is [fieldsOf] with an inlined struct as one field without a name.
func sectionsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		inline := f.Type.Kind() == reflect.Struct && (strings.Contains(options, "inline") || f.Anonymous && name == "")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case inline:
			name = ""
		case name == "":
			name = strings.ToLower(f.Name)
		}
		out = append(out, field{name: name, index: []int{i}})
	}
	return out
}

// join appends a name to a path.
func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// suggest returns ": did you mean …?" when a field has nearly that name.
func suggest(name string, fields []field) string {
	best, most := "", 3
	for _, f := range fields {
		if n := edits(name, f.name); n < most && n < len(f.name) {
			best, most = f.name, n
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// edits is the Levenshtein distance of two names, in bytes.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
