package alert

import (
	"fmt"
	"strings"

	"github.com/logcluster/logcluster/anomaly"
)

// cutNamed is how many of the anomalies past the cut the sentence names.
const cutNamed = 3

// summarizeCut writes the sentence of the alert that stands for the anomalies of a
// tenant past the cut. It reads cleaned fields only.
func summarizeCut(a *Alert) string {
	var b strings.Builder
	if a.State == string(anomaly.Resolved) && a.ResolvedAt != nil {
		fmt.Fprintf(&b, "Over at %s: nothing is past the cut any more", clock(*a.ResolvedAt, a.StartedAt))
		return Clean(b.String(), maxSummary)
	}
	n := len(a.Parts) + a.PartsCut
	fmt.Fprintf(&b, "%s more than people are told of at once, since %s", plural(n, "anomaly", "anomalies"), clock(a.StartedAt, a.WindowEnd))
	for i, p := range a.Parts[:min(len(a.Parts), cutNamed)] {
		b.WriteString([]string{": ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%s %s as %s (z %.1f)", p.Access, p.Resource, shortRole(p.Role), p.Z)
	}
	if n > cutNamed {
		b.WriteString(", …")
	}
	b.WriteString("; all of them are in the log of anomalies")
	return Clean(b.String(), maxSummary)
}
