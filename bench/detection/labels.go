// Package detection judges alerts against a recording's labels: how many
// incidents were found, how soon, and how many alerts a day were about nothing.
package detection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Labels say what happened in a recording.
type Labels struct {
	// Start and End are the recording's span. Zero when the file does not say.
	Start time.Time `json:"virtual_start"`
	End   time.Time `json:"virtual_end"`
	// Incidents are to be found.
	Incidents []Incident `json:"incidents"`
	// BenignChanges are unusual and no incidents: an alert about one is counted
	// apart, neither right nor wrong.
	BenignChanges []Incident `json:"benign_changes"`
}

// Incident is one labelled incident or benign change.
type Incident struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Kind  string    `json:"kind"` // attack, operational or benign_change
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Actors are user names, most active first.
	Actors []string `json:"actors"`
	// Roles are "ClusterRole/name" or "Role/name", without a namespace.
	Roles []string `json:"roles"`
	// Resources are "resource", "resource/subresource" or "nonresource:path".
	Resources []string `json:"resources"`
	// Requests is how many requests it was made of, zero when that is not known
	// or when it was the lack of them.
	Requests Requests `json:"audit_ids"`
}

// Requests is a number of requests. In a file of labels they are listed.
type Requests int

// UnmarshalJSON counts the elements of a list.
func (r *Requests) UnmarshalJSON(data []byte) error {
	var ids []string
	if err := json.Unmarshal(data, &ids); err != nil {
		return err
	}
	*r = Requests(len(ids))
	return nil
}

// Slow reports whether an incident is of the slow and low kind: on average less
// than one request in five minutes.
func (in *Incident) Slow() bool {
	return in.Requests > 0 && time.Duration(in.Requests)*5*time.Minute < in.End.Sub(in.Start)
}

// LoadLabels reads and validates a file of labels.
func LoadLabels(path string) (*Labels, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	l, err := ParseLabels(data)
	if err != nil {
		return nil, fmt.Errorf("read labels: %s: %w", path, err)
	}
	return l, nil
}

// ParseLabels reads labels from their JSON form. Fields that it does not know
// are ignored: recordings say more about an incident than judging needs. The
// error names every problem.
func ParseLabels(data []byte) (*Labels, error) {
	var l Labels
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, jsonError(data, err)
	}
	if err := l.validate(); err != nil {
		return nil, err
	}
	return &l, nil
}

// jsonError adds the line to an error of the decoder.
func jsonError(data []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	offset = min(max(offset, 0), int64(len(data)))
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
}

func (l *Labels) validate() error {
	var errs []error
	if len(l.Incidents) == 0 {
		errs = append(errs, errors.New("incidents: there are none"))
	}
	if !l.Start.IsZero() && !l.End.After(l.Start) {
		errs = append(errs, fmt.Errorf("virtual_end: %v is not after virtual_start", l.End))
	}
	ids := make(map[string]bool)
	for _, list := range [...]struct {
		name      string
		incidents []Incident
	}{{"incidents", l.Incidents}, {"benign_changes", l.BenignChanges}} {
		for i := range list.incidents {
			in := &list.incidents[i]
			for _, problem := range in.problems(ids) {
				errs = append(errs, fmt.Errorf("%s[%d] %q: %s", list.name, i, in.ID, problem))
			}
			ids[in.ID] = true
		}
	}
	return errors.Join(errs...)
}

func (in *Incident) problems(ids map[string]bool) []string {
	var out []string
	if in.ID == "" {
		out = append(out, "id: is empty")
	}
	if ids[in.ID] {
		out = append(out, "id: is used twice")
	}
	if in.Start.IsZero() {
		out = append(out, "start: is missing")
	}
	if in.End.Before(in.Start) {
		out = append(out, "end: is before start")
	}
	if len(in.Actors) == 0 && (len(in.Roles) == 0 || len(in.Resources) == 0) {
		out = append(out, "names neither actors nor both roles and resources: no alert could match")
	}
	for _, r := range in.Roles {
		if kind, name, ok := strings.Cut(r, "/"); !ok || kind == "" || name == "" {
			out = append(out, fmt.Sprintf("roles: %q is not Kind/name", r))
		}
	}
	return out
}
