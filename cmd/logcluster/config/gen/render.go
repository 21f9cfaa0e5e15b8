package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

const head = `# Configuration reference

<!-- Generated from the configuration structs by "make generate". Do not edit. -->

The configuration is one YAML file. It is strict: an unknown field, a wrong type
or a value that makes no sense is an error with its line, and all of them are
shown at once. A field that is left out has its default. ` + "`logcluster.yaml`" + ` beside
this page is a commented file to start from.

- Every field can be set on the command line, over the file:
  ` + "`--set path.to.field=value`" + `; a list as ` + "`--set kafka.topics=a,b`" + `.
- Durations are written as ` + "`90s`, `10m`, `1h30m`" + `.
- Secrets stay out of the file: a field ending in ` + "`file`" + ` names a file that holds the
  secret, a field ending in ` + "`env`" + ` an environment variable.
- ` + "`logcluster config show --config FILE`" + ` prints what is in effect, ` + "`logcluster check`" + `
  tries it, and a running process shows it at ` + "`/config`" + `, secrets masked.

`

// render writes the page: one chapter a section at the top, with all fields
// below it.
func render(fields []config.Field, docs comments, within map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("| section | |\n|---|---|\n")
	for _, f := range fields {
		if !strings.Contains(f.Path, ".") {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", f.Path, f.Path, firstLine(docs[key(f)]))
		}
	}
	for _, f := range fields {
		level := "###"
		if !strings.Contains(f.Path, ".") {
			level = "##"
		}
		fmt.Fprintf(&b, "\n%s `%s`\n\n", level, f.Path)
		if !f.Section || f.Default != "" {
			fmt.Fprintf(&b, "*%s*\n\n", describe(f, within[f.Path]))
		}
		b.WriteString(docs[key(f)] + "\n")
	}
	return b.Bytes(), nil
}

func key(f config.Field) [3]string { return [3]string{f.Package, f.Struct, f.Name} }

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
