package detection_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"text/tabwriter"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

var compare = flag.Bool("keying", false, "print the detection by what clusters are told apart by")

// TestKeying prints what the role key does for the detection, side by side with
// the alternatives (make detection):
//
//	go test ./bench/detection -run Keying -keying -v
func TestKeying(t *testing.T) {
	if !*compare {
		t.Skip("a table for people: ask for it with -keying")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTERS BY\tFOUND\tEXACTLY\tRECALL\tFALSE A DAY\tALERTS A DAY\tROLE KEYS\tCLUSTERS\tMEDIAN EVENTS A CLUSTER")
	for _, by := range []stream.Keying{stream.ByRole(), byAnnotation, byUser} {
		r := load(t, by)
		report, _ := replay(r, engine.DefaultConfig())
		keys, clusters := census(r)
		fmt.Fprintf(w, "%s\t%d of %d\t%d\t%.0f %%\t%.1f\t%.1f\t%d\t%d\t%d\n",
			by.Name, report.Found, report.Incidents, report.Exact, 100*report.Recall.Value,
			report.FalsePerDay.Value, report.AlertsPerDay, keys, len(clusters), clusters[len(clusters)/2])
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// census returns the number of role keys, and the events of every cluster in
// ascending order.
func census(r *stream.Recording) (keys int, clusters []int) {
	roles, events := map[string]bool{}, map[fingerprint.ID]int{}
	for i := range r.Items {
		c := r.Items[i].Print.Cluster
		roles[c.Role] = true
		events[c.ID]++
	}
	return len(roles), slices.Sorted(maps.Values(events))
}
