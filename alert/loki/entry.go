package loki

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/logcluster/logcluster/alert"
)

// Kind is what a line is about; it is a label of the stream.
type Kind string

// The kinds of lines.
const (
	// Change is a change of an alert's state.
	Change Kind = "change"
	// Evaluation is one evaluation of an anomaly that goes on.
	Evaluation Kind = "evaluation"
)

// Entry is a line on its way. Everything in it follows from the alert: no host,
// no attempt and no time of sending, so that a repeat is the same bytes, which
// Loki drops.
type Entry struct {
	// Time is the timestamp in Unix nanoseconds.
	Time int64
	// Labels are those of the stream, in Loki's notation.
	Labels string
	// Line is the alert in JSON.
	Line string
	// Metadata are names and values of structured metadata, alternating.
	Metadata []string
}

// size is about what an entry takes of the queue and of a request, in bytes.
func (e *Entry) size() int {
	n := len(e.Line) + len(e.Labels) + 64
	for _, s := range e.Metadata {
		n += len(s) + 16
	}
	return n
}

// entry makes the line of an alert.
func (c *Config) entry(kind Kind, a *alert.Alert) (Entry, error) {
	line, err := json.Marshal(a)
	if err != nil {
		return Entry{}, fmt.Errorf("encode alert: %w", err)
	}
	e := Entry{
		Time:   timestamp(kind, a),
		Labels: c.streamLabels(kind, a.Tenant),
		Line:   string(line),
		Metadata: []string{
			"id", a.ID,
			"state", a.State,
			"cluster", a.Cluster,
			"role", a.Role,
			"resource", a.Resource,
			"access", a.Access,
			"severity", a.Severity,
			"rank", strconv.Itoa(a.Rank),
		},
	}
	if !c.TenantLabel {
		e.Metadata = append(e.Metadata, "tenant", a.Tenant)
	}
	return e, nil
}

// timestamp is the end of the window that the line is about. The nanoseconds
// put what shares it into order: changes before evaluations, by rank, those
// past the cut last.
func timestamp(kind Kind, a *alert.Alert) int64 {
	const perKind = 10_000
	order := a.Rank
	if order < 1 || order >= perKind {
		order = perKind - 1
	}
	if kind == Evaluation {
		order += perKind
	}
	return a.WindowEnd.UnixNano() + int64(order)
}

func (c *Config) streamLabels(kind Kind, tenant string) string {
	pairs := []string{`job="logcluster"`, `kind=` + strconv.Quote(string(kind))}
	if c.TenantLabel {
		pairs = append(pairs, "tenant="+strconv.Quote(tenant))
	}
	for name, value := range c.Labels {
		pairs = append(pairs, name+"="+strconv.Quote(value))
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ", ") + "}"
}

// encode is the body of a push request: streams in the order of their first
// entry, entries in the order of the queue.
func encode(entries []Entry) ([]byte, error) {
	var req push.PushRequest
	index := map[string]int{}
	for i := range entries {
		e := &entries[i]
		at, ok := index[e.Labels]
		if !ok {
			at = len(req.Streams)
			index[e.Labels] = at
			req.Streams = append(req.Streams, push.Stream{Labels: e.Labels})
		}
		req.Streams[at].Entries = append(req.Streams[at].Entries, push.Entry{
			Timestamp:          time.Unix(0, e.Time).UTC(),
			Line:               e.Line,
			StructuredMetadata: metadata(e.Metadata),
		})
	}
	raw, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode push request: %w", err)
	}
	return snappy.Encode(nil, raw), nil
}

func metadata(pairs []string) push.LabelsAdapter {
	var out push.LabelsAdapter
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, push.LabelAdapter{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return out
}
