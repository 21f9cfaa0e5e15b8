package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

// ranges asks the validation for what each number may be, by trying one that is
// too small and one that is too large: so the page can't say other than the
// code does. Fields that take any value are absent, and those below a name that
// the file chooses, which have no place before there is one.
func ranges(fields []config.Field) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		if chosen(f) {
			continue
		}
		var says []string
		for _, extreme := range extremes(f.Type) {
			if s := objection(f.Path, extreme); s != "" && !strings.Contains(strings.Join(says, "\n"), s) {
				says = append(says, s)
			}
		}
		if len(says) > 0 {
			out[f.Path] = strings.Join(says, "; ")
		}
	}
	return out
}

// extremes are values that most fields of a type refuse.
func extremes(kind string) []string {
	switch kind {
	case "duration":
		return []string{"-1s", "2562047h0m0s"}
	case "number":
		return []string{"-1", "1e+300"}
	case "whole number":
		return []string{"-1", "2147483647", "9223372036854775807"}
	case "whole number of 0 or more":
		return []string{"4294967295", "18446744073709551615"}
	}
	return nil
}

// objection returns what the validation says against the value, without the
// value; empty when it accepts it.
func objection(path, value string) string {
	cfg := app.DefaultConfig()
	var problems config.Problems
	if !errors.As(config.Load(config.Source{Set: []string{path + "=" + value}}, &cfg), &problems) {
		return ""
	}
	for _, p := range problems {
		if p.Path != path || strings.Contains(p.Message, " is not a") {
			continue
		}
		s := strings.TrimLeft(strings.TrimPrefix(p.Message, value), ": ")
		s = strings.TrimSuffix(s, ", is "+value)
		for _, lead := range []string{"is not ", "must be ", "want "} {
			if rest, ok := strings.CutPrefix(s, lead); ok {
				return rest
			}
		}
		for _, lead := range []string{"is ", "has "} {
			if rest, ok := strings.CutPrefix(s, lead); ok {
				return "not " + rest
			}
		}
		return s
	}
	return ""
}

// chosen reports whether a field stands below a name that the file chooses. Its
// default is what the section says of fields that are left out.
func chosen(f config.Field) bool { return strings.Contains(f.Path, "<name>") }

// describe is the line below a field's name.
func describe(f config.Field, within string) string {
	s := f.Type
	if (!f.Section || f.Default != "") && !chosen(f) {
		s += fmt.Sprintf(", default `%s`", f.Default)
	}
	if within != "" {
		s += ", " + within
	}
	return s
}
