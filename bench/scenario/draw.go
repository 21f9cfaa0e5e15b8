package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// minutes is a time from lo to hi minutes.
func (d *draft) minutes(lo, hi int) time.Duration {
	return time.Duration(float64(time.Minute) * (float64(lo) + d.rng.Float64()*float64(hi-lo)))
}

// times are n times in order, from zero until the length, with gaps as random as
// those of a Poisson process.
func (d *draft) times(n int, length time.Duration) []time.Duration {
	at := make([]float64, n)
	sum := 0.0
	for i := range at {
		at[i] = sum
		sum += d.rng.ExpFloat64()
	}
	out := make([]time.Duration, n)
	for i := range at {
		out[i] = time.Duration(at[i] / sum * float64(length))
	}
	return out
}

// some returns n of the elements, each once.
func (d *draft) some(from []fingerprint.Resource, n int) []fingerprint.Resource {
	var out []fingerprint.Resource
	for _, at := range d.rng.Perm(len(from))[:min(n, len(from))] {
		out = append(out, from[at])
	}
	return out
}

// space is a namespace.
func (d *draft) space() string {
	if len(d.world.spaces) == 0 {
		return ""
	}
	return pick(d.rng, d.world.spaces)
}

// object, name and address are made up.
func (d *draft) object() string { return d.letters(6 + d.rng.IntN(6)) }

func (d *draft) name() string { return d.letters(5) + "@" + d.letters(8) + ".example" }

func (d *draft) address() string {
	return fmt.Sprintf("203.0.%d.%d", d.rng.IntN(256), d.rng.IntN(256))
}

func (d *draft) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + d.rng.IntN(26))
	}
	return string(b)
}

// agentOf is the user agent of somebody's habits, of anybody's for a stranger.
func (d *draft) agentOf(who *person) string {
	if len(who.habits) == 0 {
		who = &d.world.people[d.rng.IntN(len(d.world.people))]
	}
	_, uri, _ := strings.Cut(pick(d.rng, who.habits).Line, " ")
	_, agent, _ := strings.Cut(uri, " ")
	return agent
}

// line is an event as the text that an API server would have of it.
func line(e *fingerprint.Event) string {
	var b strings.Builder
	b.WriteString(e.Verb)
	r := &e.Resource
	switch {
	case r.Name == "":
		b.WriteString(" " + r.Path)
	case r.Group == "":
		b.WriteString(" /api/v1")
	default:
		b.WriteString(" /apis/" + r.Group + "/v1")
	}
	for _, part := range [...]struct{ before, text string }{{"/namespaces/", r.Namespace}, {"/", r.Name}, {"/", r.Object}, {"/", r.Subresource}} {
		if part.text != "" {
			b.WriteString(part.before + part.text)
		}
	}
	b.WriteString(" " + e.UserAgent)
	return b.String()
}

func cutColon(s string) (before, after string, found bool) { return strings.Cut(s, ":") }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
