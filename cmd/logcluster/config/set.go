package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setFlag is the name of the flag, as problems show it.
const setFlag = "--set"

// set applies one path=value.
func (d *decoder) set(s string, root reflect.Value) {
	at := position{file: setFlag}
	path, text, ok := strings.Cut(s, "=")
	path = strings.TrimSpace(path)
	if !ok || path == "" {
		d.add(at, "", quote(s)+" is not path.to.field=value")
		return
	}
	v, err := find(root, path)
	if err != nil {
		d.add(at, path, err.Error())
		return
	}
	d.at[path] = at
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() != reflect.Struct {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch {
	case isText(v.Type()):
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		d.setFlow(at, v, path, text)
		return
	case v.Kind() == reflect.Struct || v.Kind() == reflect.Pointer:
		d.add(at, path, "is a section of fields: set one of them")
		return
	}
	if err := parse(text, v); err != nil {
		d.add(at, path, err.Error())
	}
}

// setFlow sets a list or a map from YAML's flow form ([a, b], {a: b}), or a
// list of scalars from a,b.
func (d *decoder) setFlow(at position, v reflect.Value, path, text string) {
	trimmed := strings.TrimSpace(text)
	if v.Kind() == reflect.Slice && !strings.HasPrefix(trimmed, "[") {
		items := reflect.MakeSlice(v.Type(), 0, 1)
		if trimmed != "" {
			for i, part := range strings.Split(trimmed, ",") {
				e := reflect.New(v.Type().Elem()).Elem()
				if err := parse(strings.TrimSpace(part), e); err != nil {
					d.add(at, path+"["+strconv.Itoa(i)+"]", err.Error())
				}
				items = reflect.Append(items, e)
			}
		}
		v.Set(items)
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
		d.add(at, path, quote(text)+" is not YAML such as [a, b] or {name: value}")
		return
	}
	sub := &decoder{file: setFlag, at: map[string]position{}}
	sub.value(doc.Content[0], v, path)
	for _, p := range sub.problems {
		d.add(at, p.Path, p.Message)
	}
	for p := range sub.at {
		d.at[p] = at // a flag has no lines
	}
}

// find returns the settable value at a path such as alert.loki.url or
// alert.alertmanagers[0].url. Pointers to structs on the way are allocated.
func find(root reflect.Value, path string) (reflect.Value, error) {
	v := root
	for _, step := range strings.Split(path, ".") {
		name, index, hasIndex := strings.Cut(step, "[")
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || isText(v.Type()) {
			return v, fmt.Errorf("unknown field: there is nothing below %s", strings.TrimSuffix(strings.TrimSuffix(path, step), "."))
		}
		fields := fieldsOf(v.Type())
		f, ok := named(fields, name)
		if !ok {
			return v, fmt.Errorf("unknown field%s", suggest(name, fields))
		}
		v = v.FieldByIndex(f.index)
		if !hasIndex {
			continue
		}
		digits, closed := strings.CutSuffix(index, "]")
		i, err := strconv.Atoi(digits)
		if err != nil || !closed || v.Kind() != reflect.Slice || i < 0 || i >= v.Len() {
			return v, fmt.Errorf("%s has no item [%s", name, index)
		}
		v = v.Index(i)
	}
	return v, nil
}

func named(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}
