// Package config holds the configuration's reference page and the example
// file, for people to read here and for the binary to print.
package config

import _ "embed"

// Reference is the reference page, Markdown generated from the configuration
// structs.
//
//go:embed REFERENCE.md
var Reference string

// Example is a commented configuration to start from, YAML.
//
//go:embed logcluster.yaml
var Example string
