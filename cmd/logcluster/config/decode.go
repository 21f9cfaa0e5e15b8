package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder fills a struct from YAML nodes. Unlike the decoder of the yaml
// package it goes on after a mistake, and remembers the line of every value so
// that Validate's objections can be shown at it.
type decoder struct {
	file     string
	problems Problems
	at       map[string]position // by path
	paths    map[string]bool     // every field there is; true for a table
	unused   []string            // sections that are not validated
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	unmarshalText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value decodes the node into v, which is settable, and stands at path.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	at := position{file: d.file, line: n.Line}
	d.at[path] = at
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.add(at, path, "anchors and aliases are not supported")
	case isNull(n):
		d.null(at, v, path)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
	case isText(v.Type()):
		d.scalar(n, v, path)
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, path)
	case v.Kind() == reflect.Map:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// null is a field without a value. For a section that is one whose lines are
// all commented out, for anything else most likely a slip.
func (d *decoder) null(at position, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
	case reflect.Pointer, reflect.Slice, reflect.Map:
		v.SetZero()
	default:
		d.add(at, path, "has no value: leave the line out to use the default")
	}
}

// mapping decodes the fields of a struct.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.add(position{file: d.file, line: n.Line}, path, "is a section of fields, not "+kindOf(n))
		return
	}
	fields := fieldsOf(v.Type())
	d.pairs(n, path, func(key string, at position, value *yaml.Node) {
		for _, f := range fields {
			if f.name == key {
				d.value(value, v.FieldByIndex(f.index), join(path, key))
				d.at[join(path, key)] = at // the key's line, which a section's first field is below
				return
			}
		}
		d.add(at, join(path, key), "unknown field"+suggest(key, fields))
	})
}

// table decodes a map with string keys, replacing the default.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.add(position{file: d.file, line: n.Line}, path, "is a section of names and values, not "+kindOf(n))
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.pairs(n, path, func(key string, _ position, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(value, e, join(path, key))
		k := reflect.New(v.Type().Key()).Elem()
		if k.Kind() == reflect.String {
			k.SetString(key)
			m.SetMapIndex(k, e)
		}
	})
	v.Set(m)
}

// pairs calls visit for each key of a mapping that is given once.
func (d *decoder) pairs(n *yaml.Node, path string, visit func(string, position, *yaml.Node)) {
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := position{file: d.file, line: k.Line}
		if k.Kind != yaml.ScalarNode || k.Anchor != "" {
			d.add(at, path, "a field name must be plain text")
			continue
		}
		if line, again := first[k.Value]; again {
			d.add(at, join(path, k.Value), fmt.Sprintf("is given twice, first in line %d", line))
			continue
		}
		first[k.Value] = k.Line
		visit(k.Value, at, n.Content[i+1])
	}
}

// list decodes a sequence, replacing the default.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(position{file: d.file, line: n.Line}, path, "is a list, not "+kindOf(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		d.value(e, s.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
	v.Set(s)
}

// scalar decodes one plain value.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	at := position{file: d.file, line: n.Line}
	if n.Kind != yaml.ScalarNode {
		d.add(at, path, "is "+nameOf(v.Type())+", not "+kindOf(n))
		return
	}
	if err := parse(n.Value, v); err != nil {
		d.add(at, path, err.Error())
	}
}

// parse sets v, a scalar, from its text.
func parse(s string, v reflect.Value) error {
	if isText(v.Type()) {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return fmt.Errorf("%s: %w", quote(s), err)
		}
		return nil
	}
	if v.Type() == durationType {
		t, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%s is not a duration such as 90s, 10m or 1h30m", quote(s))
		}
		v.SetInt(int64(t))
		return nil
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		var b bool
		if b, err = parseBool(s); err == nil {
			v.SetBool(b)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var i int64
		if i, err = strconv.ParseInt(s, 0, v.Type().Bits()); err == nil {
			v.SetInt(i)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var u uint64
		if u, err = strconv.ParseUint(s, 0, v.Type().Bits()); err == nil {
			v.SetUint(u)
		}
	case reflect.Float32, reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(s, v.Type().Bits())
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = strconv.ErrRange
		}
		if err == nil {
			v.SetFloat(f)
		}
	default:
		return fmt.Errorf("cannot be set: the program has a field of the unsupported type %s", v.Type())
	}
	if err != nil {
		return fmt.Errorf("%s is not %s", quote(s), nameOf(v.Type()))
	}
	return nil
}

// parseBool accepts true and false only: YAML 1.1's yes and on are a source of
// surprises.
func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, strconv.ErrSyntax
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(unmarshalText) }

// kindOf names what the user wrote.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section of fields"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "the value " + quote(n.Value)
	}
}

// nameOf names what a field takes, in the words of the reference page.
func nameOf(t reflect.Type) string {
	if t == durationType {
		return "a duration"
	}
	if isText(t) {
		return "a text"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of 0 or more"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a section of names and values"
	case reflect.Pointer:
		return nameOf(t.Elem())
	default:
		return "a section of fields"
	}
}
