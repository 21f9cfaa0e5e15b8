// Command gen writes the reference page of the configuration from the structs
// themselves: names and types by reflection, meanings from the doc comments,
// defaults from DefaultConfig, ranges from what Validate objects to.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

//go:generate go run . -o ../../../../deploy/config/REFERENCE.md

func main() {
	out := flag.String("o", "", "file to write; stdout without it")
	flag.Parse()
	page, err := generate()
	if err == nil && *out != "" {
		err = os.WriteFile(*out, page, 0o644)
	} else if err == nil {
		_, err = os.Stdout.Write(page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate returns the page.
func generate() ([]byte, error) {
	cfg := app.DefaultConfig()
	fields := config.Fields(&cfg)
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	comments, err := readComments(root, fields)
	if err != nil {
		return nil, err
	}
	return render(fields, comments, ranges(fields))
}
