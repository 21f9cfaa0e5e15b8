package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// HowMuch says what the driving feature was against what is usual, and in how
// long; empty for an alert without features.
func HowMuch(a *Alert) string {
	if len(a.Features) == 0 {
		return ""
	}
	f := a.Features[0]
	w := wordsOf(f.Name)
	much := w.count(f)
	switch {
	case silent(a):
		much = "no events"
	case f.Z < 0:
		much = "only " + much
	}
	return fmt.Sprintf("%s in %s, usually %s (%s)", much, span(window(a, f)), w.number(f.Expected), w.band(f))
}

// Value shows a value of a feature with its unit, where it has one.
func Value(feature string, x float64) string { return wordsOf(feature).number(x) }

// Band shows the range that 95 % of windows are expected in.
func Band(f *Feature) string { return wordsOf(f.Name).band(*f) }

// window is the length of the window that a feature is about.
func window(a *Alert, f Feature) time.Duration {
	if f.Window > 0 {
		return time.Duration(f.Window * float64(time.Second))
	}
	return a.WindowEnd.Sub(a.WindowStart)
}

// words is how one feature is spoken of.
type words struct {
	one, many string
	unit      unit
}

// unit is what the numbers of a feature are.
type unit uint8

const (
	things  unit = iota // counted
	share               // from 0 to 1, told in percent
	seconds             // a length of time
	index               // a bare number
)

// vocabulary has the words for each feature of the contract. A feature that is
// not here is told by its name.
var vocabulary = map[string]words{
	"events":                {one: "event", many: "events"},
	"subjects":              {one: "different subject", many: "different subjects"},
	"objects":               {one: "different object", many: "different objects"},
	"namespaces":            {one: "different namespace", many: "different namespaces"},
	"sources":               {one: "different source address", many: "different source addresses"},
	"denied":                {one: "request refused by the authorizer", many: "requests refused by the authorizer"},
	"failed":                {one: "failed request", many: "failed requests"},
	"denied_share":          {many: "refused by the authorizer", unit: share},
	"failed_share":          {many: "failed", unit: share},
	"new_fingerprints":      {one: "operation never seen before", many: "operations never seen before"},
	"new_subject_resources": {one: "subject on a resource never touched before", many: "subjects on resources never touched before"},
	"new_subject_sources":   {one: "subject from an address never seen before", many: "subjects from addresses never seen before"},
	"new_subject_roles":     {one: "subject under a role never seen before", many: "subjects under roles never seen before"},
	"new_subject_powers":    {one: "subject with a power never held before", many: "subjects with powers never held before"},
	"latency":               {many: "for an answer", unit: seconds},
	"verb_mix":              {many: "away from the usual mix of verbs", unit: share},
	"outcome_mix":           {many: "away from the usual mix of outcomes", unit: share},
	"top_object_share":      {many: "on one object", unit: share},
	"top_subject_share":     {many: "by one subject", unit: share},
	"stability":             {many: "of the subjects as in the window before", unit: share},
	"peer":                  {one: "event, unlike its peers", many: "events, unlike its peers"},
	"silhouette":            {many: "fit of the subjects to their role", unit: index},
}

func wordsOf(name string) words {
	if w, ok := vocabulary[name]; ok {
		return w
	}
	name = strings.ReplaceAll(name, "_", " ")
	return words{one: name, many: name}
}

// count is the observed value with its unit: "124 events", "87 % failed".
func (w words) count(f Feature) string {
	if f.Observed == 1 && w.unit == things {
		return "1 " + w.one
	}
	return w.number(f.Observed) + " " + w.many
}

// number shows a value of the feature.
func (w words) number(x float64) string {
	switch w.unit {
	case share:
		return decimal(100*x) + " %"
	case seconds:
		return length(x)
	case index:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return decimal(x)
}

// band is the range that 95 % of windows are expected in.
func (w words) band(f Feature) string {
	switch w.unit {
	case share:
		return decimal(100*f.Low) + "–" + decimal(100*f.High) + " %"
	case things:
		return decimal(f.Low) + "–" + decimal(f.High)
	}
	return w.number(f.Low) + " to " + w.number(f.High)
}

// length shows a length of time given in seconds.
func length(s float64) string {
	switch {
	case s < 0.001:
		return decimal(s*1e6) + " µs"
	case s < 1:
		return decimal(s*1e3) + " ms"
	}
	return decimal(s) + " s"
}
