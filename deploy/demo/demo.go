// Package demo holds the bundled recording that `logcluster demo` and some
// tests feed on; its README.md says where it comes from.
package demo

import _ "embed"

// Recording is a zstd-compressed audit log, one event a line.
//
//go:embed recording.jsonl.zst
var Recording []byte

// RBAC is the role policy at the start of the recording, as kubectl prints it.
//
//go:embed rbac.yaml
var RBAC []byte

// Labels names the incidents and benign changes in the recording.
//
//go:embed labels.json
var Labels []byte
