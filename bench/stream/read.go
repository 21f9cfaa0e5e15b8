package stream

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/deploy/demo"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
	"github.com/logcluster/logcluster/ingest/recording"
)

// Keying is what the clusters are told apart by.
type Keying struct {
	Name string
	// Policy uses the recording's RBAC objects, and Reasons the authorizer's
	// word; with neither, the mapping counts.
	Policy, Reasons bool
	Mapping         []fingerprint.MappingRule
}

// ByRole is the keying that the service has when it is given the policy.
func ByRole() Keying {
	return Keying{Name: "all bound roles (as shipped)", Policy: true, Reasons: true}
}

// Options say how a recording is read.
type Options struct {
	Keying
	// Text keeps the lines' text.
	Text bool
	// Skip leaves out events; nil keeps all.
	Skip func(*fingerprint.Event) bool
}

// Recording is a recording in memory. It is not modified after reading.
type Recording struct {
	Labels *detection.Labels
	// Policy is nil when the keying does without one.
	Policy *rbac.Policy
	Items  []Item
	// Groups are the groups of every subject that acted, as last recorded.
	Groups map[string][]string
}

// Policies returns the policy of all times.
func (r *Recording) Policies() fingerprint.Policies { return fingerprint.Always(r.Policy) }

// Prints returns a fingerprinter that knows the recording's roles.
func (r *Recording) Prints() *fingerprint.Fingerprinter {
	return fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: r.Policies()})
}

// Folder is where labelled recordings are: LOGCLUSTER_DATA, or the folder beside
// the repository, whose root is given.
func Folder(root string) string {
	return cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join(root, "..", "shared", "data"))
}

// Read reads a recording from a folder that has audit.jsonl.zst, rbac.yaml and
// labels.json. An error for which errors.Is(err, os.ErrNotExist) says that it
// is not there.
func Read(dir string, o Options) (*Recording, error) {
	labels, err := detection.LoadLabels(filepath.Join(dir, "labels.json"))
	if err != nil {
		return nil, err
	}
	source, err := recording.Open(filepath.Join(dir, "audit.jsonl.zst"), recording.Options{})
	if err != nil {
		return nil, err
	}
	return read(labels, source, filepath.Join(dir, "rbac.yaml"), o)
}

// Bundled reads the recording that comes with the program: 23 hours.
func Bundled(o Options) (*Recording, error) {
	labels, err := detection.ParseLabels(demo.Labels)
	if err != nil {
		return nil, err
	}
	source, err := recording.New("bundled", bytes.NewReader(demo.Recording), 0, recording.Options{})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bundled-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	manifest := filepath.Join(dir, "rbac.yaml")
	if err := os.WriteFile(manifest, demo.RBAC, 0o600); err != nil {
		return nil, err
	}
	return read(labels, source, manifest, o)
}

func read(labels *detection.Labels, source *recording.Source, manifest string, o Options) (*Recording, error) {
	r := &Recording{Labels: labels, Groups: make(map[string][]string)}
	if o.Policy {
		loaded, err := policy.LoadFiles(manifest)
		if err != nil {
			return nil, err
		}
		if r.Policy, err = rbac.New(loaded.Objects); err != nil {
			return nil, err
		}
	}
	mapping, err := fingerprint.NewMapping(o.Mapping)
	if err != nil {
		return nil, err
	}
	in := &reader{
		Recording: r, o: o, texts: make(map[string]string), decoder: ingest.NewDecoder(ingest.DefaultConfig()),
		prints: fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: r.Policies(), Mapping: mapping}),
	}
	return r, source.Each(context.Background(), func(b *recording.Batch) error {
		for _, line := range b.Values {
			in.line = line
			if _, err := in.decoder.Decode(line, in.observe); err != nil {
				return fmt.Errorf("decode the recording: %w", err)
			}
		}
		return nil
	})
}

// reader fills a recording.
type reader struct {
	*Recording
	o       Options
	texts   map[string]string
	decoder *ingest.Decoder
	prints  *fingerprint.Fingerprinter
	line    []byte
}

func (r *reader) observe(e *fingerprint.Event) {
	if r.o.Skip != nil && r.o.Skip(e) {
		return
	}
	e.Tenant = Tenant
	if !r.o.Reasons {
		e.Reason = ""
	}
	user, groups := e.Subject()
	it := Item{
		Time: e.Time, Latency: e.Latency, User: r.keep(user), Source: r.keep(e.Source),
		Namespace: r.keep(e.Resource.Namespace), Object: r.keep(e.Resource.Object),
		Code: int32(e.Code), Decision: e.Decision, Print: r.prints.Of(e),
	}
	if _, known := r.Groups[it.User]; !known {
		var kept []string
		for _, g := range groups {
			kept = append(kept, r.keep(g))
		}
		r.Groups[it.User] = kept
	}
	if r.o.Text {
		it.Line = r.keep(e.Verb + " " + uriOf(r.line) + " " + e.UserAgent)
	}
	r.Items = append(r.Items, it)
}

// keep returns a copy of s, the same one for the same text.
func (r *reader) keep(s string) string {
	kept, ok := r.texts[s]
	if !ok {
		kept = strings.Clone(s)
		r.texts[kept] = kept
	}
	return kept
}

// uriOf returns the request's URI as an API server writes it, without its query.
func uriOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"requestURI":"`))
	uri, _, _ := bytes.Cut(rest, []byte{'"'})
	uri, _, _ = bytes.Cut(uri, []byte{'?'})
	return string(uri)
}
