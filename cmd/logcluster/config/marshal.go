package config

import (
	"bytes"
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// masked is what is printed in the place of a secret.
const masked = "<secret>"

// Marshal returns the configuration as YAML, every field with its effective
// value, secrets masked: fields that are named like a secret, and user and
// password inside URLs. Names of files and of environment variables that hold
// secrets are shown.
func Marshal(cfg any) ([]byte, error) {
	v := reflect.ValueOf(cfg)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	n, err := node(v, "")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	return b.Bytes(), enc.Close()
}

// node returns v, which is called name, as a YAML node.
func node(v reflect.Value, name string) (*yaml.Node, error) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return plain("null", "!!null"), nil
	case v.Kind() == reflect.Pointer:
		return node(v.Elem(), name)
	case isText(v.Type()), isScalar(v.Type()):
		return scalarNode(v, name)
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			e, err := node(v.Index(i), name)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, e)
		}
		return n, nil
	case v.Kind() == reflect.Map:
		return tableNode(v, name)
	case v.Kind() == reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fieldsOf(v.Type()) {
			e, err := node(v.FieldByIndex(f.index), f.name)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, plain(f.name, "!!str"), e)
		}
		return n, nil
	default:
		return nil, fmt.Errorf("print configuration: field %s has the unsupported type %s", name, v.Type())
	}
}

// tableNode prints a map in the order of its keys.
func tableNode(v reflect.Value, name string) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if v.Len() == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, k := range sortedKeys(v) {
		e, err := node(v.MapIndex(k), name+"."+k.String())
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, plain(k.String(), "!!str"), e)
	}
	return n, nil
}

func scalarNode(v reflect.Value, name string) (*yaml.Node, error) {
	s, tag, err := text(v)
	if err != nil {
		return nil, fmt.Errorf("print configuration: field %s: %w", name, err)
	}
	if tag == "!!str" {
		s = mask(name, s)
	}
	return plain(s, tag), nil
}

// text returns a scalar as the file would give it, and its YAML tag.
func text(v reflect.Value) (s, tag string, err error) {
	if isText(v.Type()) {
		return marshalText(v)
	}
	if v.Type() == durationType {
		return shortDuration(time.Duration(v.Int())), "!!str", nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), "!!str", nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), "!!bool", nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), "!!float", nil
	default:
		return fmt.Sprint(v.Interface()), "!!int", nil
	}
}

func marshalText(v reflect.Value) (s, tag string, err error) {
	m, ok := v.Interface().(encoding.TextMarshaler)
	if !ok && v.CanAddr() {
		m, ok = v.Addr().Interface().(encoding.TextMarshaler)
	}
	if !ok {
		return fmt.Sprint(v.Interface()), "!!str", nil
	}
	b, err := m.MarshalText()
	return string(b), "!!str", err
}

// shortDuration is [time.Duration.String] without trailing zero units: 10m
// instead of 10m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|credential|authorization|api_?key|cookie)`)

// mask hides the value of a field that is named like a secret, or the
// userinfo of a URL.
func mask(name, s string) string {
	if s == "" || strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "_env") {
		return s
	}
	if secretName.MatchString(name) {
		return masked
	}
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = nil
		return strings.Replace(u.String(), "://", "://"+masked+"@", 1)
	}
	return s
}

func plain(s, tag string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	if tag == "!!str" {
		n.SetString(s)
		return n
	}
	n.Tag, n.Value = tag, s
	return n
}

func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}
