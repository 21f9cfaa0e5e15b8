package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// The bounds of a list of matchers.
const (
	MaxMatchers     = 20
	MaxMatcherBytes = 1024
)

// names are what a matcher can be about.
var names = []string{"tenant", "role", "resource", "access", "cluster", "subject"}

// Matchers are parsed conditions, all of which must hold.
type Matchers []*labels.Matcher

// ParseMatchers parses conditions such as role=~"ClusterRole/ci-.*". At least one
// is needed; the error joins what is wrong with each.
func ParseMatchers(texts []string) (Matchers, error) {
	if len(texts) == 0 {
		return nil, errors.New(`no matcher: at least one such as tenant="production" is needed`)
	}
	if len(texts) > MaxMatchers {
		return nil, fmt.Errorf("%d matchers are more than %d", len(texts), MaxMatchers)
	}
	out := make(Matchers, len(texts))
	var errs []error
	for i, text := range texts {
		m, err := parseMatcher(text)
		if err != nil {
			errs = append(errs, err)
		}
		out[i] = m
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

func parseMatcher(text string) (*labels.Matcher, error) {
	if len(text) > MaxMatcherBytes {
		return nil, fmt.Errorf("a matcher of %d bytes is longer than %d", len(text), MaxMatcherBytes)
	}
	m, err := labels.ParseMatcher(text)
	if err != nil {
		return nil, fmt.Errorf("matcher %q: %w", text, err)
	}
	if !slices.Contains(names, m.Name) {
		return nil, fmt.Errorf("matcher %q: %s is none of %s", text, m.Name, strings.Join(names, ", "))
	}
	return m, nil
}

// match reports whether every condition holds of a cluster and the subjects of its
// window.
func (ms Matchers) match(key *fingerprint.ClusterKey, subjects []anomaly.Share) bool {
	for _, m := range ms {
		if m.Name == "subject" {
			if !drives(m, subjects) {
				return false
			}
		} else if !m.Matches(valueOf(m.Name, key)) {
			return false
		}
	}
	return len(ms) > 0
}

// drives reports whether the subjects that match did more than half of the events.
func drives(m *labels.Matcher, subjects []anomaly.Share) bool {
	total := 0.0
	for i := range subjects {
		if m.Matches(subjects[i].Name) {
			total += subjects[i].Share
		}
	}
	return total > 0.5
}

func valueOf(name string, key *fingerprint.ClusterKey) string {
	switch name {
	case "tenant":
		return key.Tenant
	case "role":
		return key.Role
	case "resource":
		return key.Resource
	case "access":
		return key.Access.String()
	default:
		return key.ID.String()
	}
}
