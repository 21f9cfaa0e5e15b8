package invariance_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/bench/scenario"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

// fired is what became of an anomaly.
type fired struct {
	told, withheld bool
	subject        string
}

// stories runs the items with so many places in the ranking and returns every
// anomaly that fired, told or not. At every evaluation the summary has to count
// what is past the cut.
func stories(t *testing.T, r *stream.Recording, items []stream.Item, topK int) map[string]fired {
	t.Helper()
	out := make(map[string]fired)
	cfg := engine.DefaultConfig()
	cfg.Anomaly.TopK = topK
	e := engine.New(cfg, r.Policies(), engine.Observer{Found: func(_ *cluster.Evaluation, res anomaly.Result) {
		note := func(list []anomaly.Anomaly, told bool) {
			for i := range list {
				a := &list[i]
				if a.State != anomaly.Firing || a.Summary {
					continue
				}
				f := out[a.ID]
				f.told, f.withheld = f.told || told, f.withheld || !told
				if len(a.Subjects) > 0 {
					f.subject = a.Subjects[0].Name
				}
				out[a.ID] = f
			}
		}
		note(res.Changes, true)
		note(res.Withheld, false)
		note(res.Unseen, false)
		cut, counted := 0, 0
		for i := range res.Unseen {
			if res.Unseen[i].PastCut {
				cut++
			}
		}
		for i := range res.Firing {
			if a := &res.Firing[i]; a.Summary {
				counted = int(a.Features[0].Observed)
			}
		}
		if cut != counted {
			t.Errorf("at %s %d are past the cut and the summary says %d", res.End.Format(time.TimeOnly), cut, counted)
		}
	}})
	stream.AddSources(e, items)
	stream.Feed(e, items)
	e.Finish()
	return out
}

// Loud decoys cannot hide a quiet attack: with room for one anomaly the same ones
// fire as with room for all, and those that people are not told of are on record and
// in the summary.
func TestWhatIsPastTheCutIsNotLost(t *testing.T) {
	r, err := stream.Bundled(stream.Options{Keying: stream.ByRole()})
	if err != nil {
		t.Fatal(err)
	}
	w := scenario.Audited("bundled", r)
	first, last := r.Items[0].Time, r.Items[len(r.Items)-1].Time
	from := first + int64(15*time.Hour)
	w.Learn(from)
	plan := w.Draw(3, 1, from, last, scenario.Decoys)
	if len(plan.Attacks) != 1 {
		t.Fatalf("%d attacks fit", len(plan.Attacks))
	}
	items := slices.Concat(stream.Between(r.Items, 0, from), plan.Items)
	one, all := stories(t, r, items, 1), stories(t, r, items, 1000)
	if got, want := slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("with room for one %d fire, with room for all %d", len(got), len(want))
	}
	quiet, withheld := plan.Attacks[0].Actors[0], 0
	found := false
	for _, f := range one {
		if f.withheld {
			withheld++
		}
		found = found || f.subject == quiet
	}
	if withheld == 0 {
		t.Error("nothing was ever past the cut: the decoys are not loud")
	}
	if !found {
		t.Errorf("the attack by %s was lost; %v", quiet, one)
	}
}
