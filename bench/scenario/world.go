// Package scenario puts made-up attacks into quiet recordings: random in who, how
// fast, when and in what shape, and the same for the same seed. Detection that was
// fitted to one recording's names, rates or times fails here.
//
// A [World] is a recording with its policy; a [Plan] is what one seed does in it;
// a [Warm] detector has seen what came before and can be let loose on many plans.
package scenario

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// World is what attacks happen in. It is not modified once it is made.
type World struct {
	Name  string
	Items []stream.Item
	// Policy decides what is allowed; nil allows everything.
	Policy *rbac.Policy
	Groups map[string][]string
	// Prints makes a fingerprinter for what is put in.
	Prints func() *fingerprint.Fingerprinter
	// Known are labelled spans of the recording: attacks begin and end outside of
	// them, and alerts about them are counted apart.
	Known []detection.Incident
	// Words are the resources that attackers are after.
	Words Words
	// Recorded are attacks that somebody recorded, by name: their events, at times
	// from zero on, by whoever is given.
	Recorded map[string][]fingerprint.Event

	people []person // whoever may be compromised, or die
	kinds  []fingerprint.Resource
	spaces []string
}

// Words are a world's names for what attackers are after.
type Words struct {
	Secrets, Exec, Binding, Token, Hook fingerprint.Resource
	// Mint is the verb that makes a token.
	Mint string
}

// Kubernetes are the words of a Kubernetes cluster.
func Kubernetes() Words {
	return Words{
		Secrets: fingerprint.Resource{Name: "secrets"},
		Exec:    fingerprint.Resource{Name: "pods", Subresource: "exec"},
		Binding: fingerprint.Resource{Group: "rbac.authorization.k8s.io", Name: "clusterrolebindings"},
		Token:   fingerprint.Resource{Name: "serviceaccounts", Subresource: "token"},
		Hook:    fingerprint.Resource{Group: "admissionregistration.k8s.io", Name: "mutatingwebhookconfigurations"},
		Mint:    "create",
	}
}

// person is a subject of the background.
type person struct {
	name string
	// windows is the share of five-minute windows in which there was something,
	// events how many there were in such a window.
	windows, events float64
	// habits are some of the events, evenly taken.
	habits []stream.Item
}

// steady reports whether the subject works all the time.
func (p *person) steady() bool { return p.windows > 0.9 && p.events >= 3 }

// system reports whether it is a part of the platform: who attacks takes over
// somebody else.
func (p *person) system() bool {
	return strings.HasPrefix(p.name, "system:") && !strings.HasPrefix(p.name, "system:serviceaccount:") ||
		strings.HasPrefix(p.name, "system:serviceaccount:kube-system:")
}

const habits = 200

// Learn finds out who is in the background before a time, and what there is.
func (w *World) Learn(until int64) {
	type tally struct {
		n       int
		windows map[int64]bool
		items   []int
	}
	tallies := make(map[string]*tally)
	kinds, spaces := make(map[fingerprint.Resource]bool), make(map[string]bool)
	first := w.Items[0].Time
	for i := range w.Items {
		it := &w.Items[i]
		if it.Time >= until {
			break
		}
		t := tallies[it.User]
		if t == nil {
			t = &tally{windows: make(map[int64]bool)}
			tallies[it.User] = t
		}
		t.n++
		t.windows[it.Time/int64(5*time.Minute)] = true
		t.items = append(t.items, i)
		if r, ok := resourceOf(it.Print.Cluster); ok {
			kinds[r] = true
		}
		if it.Namespace != "" {
			spaces[it.Namespace] = true
		}
	}
	all := float64(until-first) / float64(5*time.Minute)
	w.people = nil
	for _, name := range slices.Sorted(maps.Keys(tallies)) {
		t := tallies[name]
		p := person{name: name, windows: float64(len(t.windows)) / all, events: float64(t.n) / float64(len(t.windows))}
		for i := 0; i < len(t.items); i += max(1, len(t.items)/habits) {
			p.habits = append(p.habits, w.Items[t.items[i]])
		}
		w.people = append(w.people, p)
	}
	w.kinds = slices.SortedFunc(maps.Keys(kinds), func(a, b fingerprint.Resource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subresource, b.Subresource))
	})
	w.spaces = slices.Sorted(maps.Keys(spaces))
}

// resourceOf is the resource of a cluster; false for a path.
func resourceOf(k *fingerprint.ClusterKey) (fingerprint.Resource, bool) {
	if strings.Contains(k.Resource, ":") {
		return fingerprint.Resource{}, false
	}
	name, sub, _ := strings.Cut(k.Resource, "/")
	return fingerprint.Resource{Group: k.APIGroup, Name: name, Subresource: sub}, true
}

// allowed reports whether the world's policy lets an event happen.
func (w *World) allowed(e *fingerprint.Event) bool {
	if w.Policy == nil || slices.Contains(e.Groups, "system:masters") {
		return true
	}
	r := e.Request()
	a, _ := w.Policy.Resolve(&r)
	return a.Allowed
}

// clear reports whether a span is outside of everything labelled, leaving room
// for an alert to be late. What is slow and low leaves no mark to stay clear of.
func (w *World) clear(start, end int64) bool {
	return !slices.ContainsFunc(w.Known, func(in detection.Incident) bool {
		return !in.Slow() && start < in.End.Add(detection.After).UnixNano() && end+int64(detection.After) > in.Start.UnixNano()
	})
}

// pick returns one of the elements.
func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// between returns a number from lo to hi, where each factor is as likely as any
// other.
func between(rng *rand.Rand, lo, hi int) int {
	return min(hi, int(float64(lo)*math.Pow(float64(hi)/float64(lo), rng.Float64())+0.5))
}
