package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// File is where the value was given: the file's name, or "--set". It is
	// empty when nobody gave it (a default that does not fit the rest).
	File string
	// Line is counted from 1; 0 when there is none.
	Line int
	// Path is the field, such as alert.loki.url; empty for the whole file.
	Path string
	// Message says what is wrong, in lower case and without a full stop.
	Message string
}

// String returns file:line: path: message, without the parts that are not
// known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of
// the file. It is never empty when it is an error.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by file and line, with those of no known place
// last, each once.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if (a.File == "") != (b.File == "") {
			if a.File == "" {
				return 1
			}
			return -1
		}
		if (a.File == setFlag) != (b.File == setFlag) {
			if a.File == setFlag {
				return 1
			}
			return -1
		}
		return a.Line - b.Line
	})
	return slices.Compact(p)
}

// position is where a value was given.
type position struct {
	file string
	line int
}

func (d *decoder) add(at position, path, message string) {
	d.problems = append(d.problems, Problem{File: at.file, Line: at.line, Path: path, Message: message})
}

var yamlLine = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)

// syntax adds what the YAML parser says, which gives its line in the text.
func (d *decoder) syntax(err error) {
	var many *yaml.TypeError
	texts := []string{err.Error()}
	if errors.As(err, &many) {
		texts = many.Errors
	}
	for _, t := range texts {
		at := position{file: d.file}
		if m := yamlLine.FindStringSubmatch(t); m != nil {
			at.line, _ = strconv.Atoi(m[1])
			t = m[2]
		}
		d.add(at, "", strings.TrimPrefix(t, "yaml: "))
	}
}

// quote shortens a value for a message: a mistyped secret or a pasted file
// should not be repeated whole.
func quote(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
