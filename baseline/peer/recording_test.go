package peer_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/baseline/peer"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

// recorded returns three recorded days and the families that were learned on
// the way, and skips the test where they are not.
func recorded(t testing.TB) (*stream.Recording, []*family.Families) {
	t.Helper()
	if testing.Short() {
		t.Skip("replays three days: skipped by -short")
	}
	r, err := stream.Read(filepath.Join(stream.Folder(filepath.Join("..", "..")), "dev"), stream.Options{Keying: stream.ByRole()})
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var learned []*family.Families
	e := engine.New(engine.DefaultConfig(), r.Policies(), engine.Observer{
		Learned: func(f *family.Families) { learned = append(learned, f) },
	})
	stream.AddSources(e, r.Items)
	stream.Feed(e, r.Items)
	return r, learned
}

const slot = int64(5 * time.Minute)

// slotted are events by the five minutes and the cluster that they are of.
type slotted struct {
	first, last int64
	keys        map[fingerprint.ID]*fingerprint.ClusterKey
	counts      map[int64]map[fingerprint.ID]map[string]uint32
}

func slots(items []stream.Item) *slotted {
	s := &slotted{first: math.MaxInt64, keys: map[fingerprint.ID]*fingerprint.ClusterKey{}, counts: map[int64]map[fingerprint.ID]map[string]uint32{}}
	for i := range items {
		it := &items[i]
		at, key := it.Time/slot, it.Print.Cluster
		s.first, s.last = min(s.first, at), max(s.last, at)
		s.keys[key.ID] = key
		if s.counts[at] == nil {
			s.counts[at] = map[fingerprint.ID]map[string]uint32{}
		}
		if s.counts[at][key.ID] == nil {
			s.counts[at][key.ID] = map[string]uint32{}
		}
		s.counts[at][key.ID][it.User]++
	}
	return s
}

// hour returns the evaluation of the hour that ends with a slot.
func (s *slotted) hour(end int64) *cluster.Evaluation {
	sum := map[fingerprint.ID]map[string]uint32{}
	for at := end - 12; at < end; at++ {
		for id, subjects := range s.counts[at] {
			if sum[id] == nil {
				sum[id] = map[string]uint32{}
			}
			for name, n := range subjects {
				sum[id][name] += n
			}
		}
	}
	ev := &cluster.Evaluation{Tenant: stream.Tenant, Scale: cluster.Medium, Start: (end - 12) * slot, End: end * slot}
	for id, subjects := range sum {
		ev.Windows = append(ev.Windows, window(s.keys[id], subjects))
	}
	slices.SortFunc(ev.Windows, func(a, b cluster.Window) int { return cmp.Compare(a.Cluster.ID, b.Cluster.ID) })
	return ev
}

// window is one with only its subjects known.
func window(key *fingerprint.ClusterKey, subjects map[string]uint32) cluster.Window {
	w := cluster.Window{Cluster: key}
	var top subjectsOnly
	for name, n := range subjects {
		top = append(top, cluster.Count{Name: name, Events: n})
		w.Counts[cluster.Events] += n
	}
	w.Counts[cluster.Subjects] = uint32(len(top))
	slices.SortFunc(top, func(a, b cluster.Count) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Name, b.Name))
	})
	w.Detail = top
	return w
}

// subjectsOnly is the detail of a window of which only the subjects are known,
// most active first.
type subjectsOnly []cluster.Count

func (d subjectsOnly) AppendTop(dst []cluster.Count, of cluster.Facet, n int) []cluster.Count {
	if of != cluster.BySubject {
		return dst
	}
	return append(dst, d[:min(n, len(d))]...)
}

func (subjectsOnly) AppendNew(dst []cluster.Novelty, _ int) []cluster.Novelty { return dst }
func (subjectsOnly) AppendSteps(dst []uint32, _ cluster.Feature) []uint32     { return dst }
func (subjectsOnly) AppendSamples(dst []cluster.Sample, _ cluster.Feature, _ int) []cluster.Sample {
	return dst
}

// judged is a finding with when and where it was made.
type judged struct {
	baseline.Finding
	end int64
	key *fingerprint.ClusterKey
}

func judgeAll(r *stream.Recording, learned []*family.Families, visit func(*cluster.Evaluation, []baseline.Finding, *peer.Store)) {
	s := slots(r.Items)
	store := peer.New(peer.DefaultConfig())
	for end := s.first + 12; end <= s.last; end++ {
		for len(learned) > 0 && learned[0].At <= end*slot {
			f := learned[0]
			store.SetFamilies(stream.Tenant, func(role string) string {
				if of := f.Of(role); of != nil {
					return of.ID
				}
				return ""
			})
			learned = learned[1:]
		}
		ev := s.hour(end)
		visit(ev, store.Judge(ev), store)
	}
}

// TestPeersOfTheRecording prints how often the peer features exceed on the
// quiet part of three recorded days, and what they say about its incidents.
func TestPeersOfTheRecording(t *testing.T) {
	r, learned := recorded(t)
	var all []judged
	var silhouettes []float64
	judgeAll(r, learned, func(ev *cluster.Evaluation, findings []baseline.Finding, store *peer.Store) {
		for _, f := range findings {
			i, _ := slices.BinarySearchFunc(ev.Windows, f.Cluster, func(w cluster.Window, id fingerprint.ID) int { return cmp.Compare(w.Cluster.ID, id) })
			all = append(all, judged{Finding: f, end: ev.End, key: ev.Windows[i].Cluster})
		}
		if q := store.Quality(stream.Tenant); q.SilhouetteOK() && ev.End%int64(time.Hour) == 0 {
			silhouettes = append(silhouettes, q.Silhouette)
		}
	})
	slices.Sort(silhouettes)
	t.Logf("silhouette of the tenant, hourly: lowest %.3f, median %.3f, highest %.3f",
		silhouettes[0], silhouettes[len(silhouettes)/2], silhouettes[len(silhouettes)-1])
	quiet := quietPart(r.Labels, all)
	for _, f := range []cluster.Feature{cluster.Peer, cluster.Silhouette} {
		exceedances(t, f, quiet)
		t.Logf("feature %d: %.1f clusters a quiet day beyond 3, %.1f beyond 4", f, perDay(quiet, f, 3), perDay(quiet, f, 4))
	}
	for _, in := range append(slices.Clone(r.Labels.Incidents), r.Labels.BenignChanges...) {
		t.Logf("%-8s %-50.50s peer %s; silhouette %s", in.ID, in.Name, strongest(all, &in, cluster.Peer), strongest(all, &in, cluster.Silhouette))
	}
}

func during(in *detection.Incident, end int64) bool {
	return end > in.Start.UnixNano() && end-int64(time.Hour) < in.End.UnixNano()
}

// quietPart returns the findings after the first half day whose windows touch no
// labelled incident or change.
func quietPart(l *detection.Labels, all []judged) []judged {
	var quiet []judged
	for _, j := range all {
		busy := j.end < l.Start.Add(12*time.Hour).UnixNano()
		for _, list := range [][]detection.Incident{l.Incidents, l.BenignChanges} {
			for i := range list {
				busy = busy || during(&list[i], j.end)
			}
		}
		if !busy {
			quiet = append(quiet, j)
		}
	}
	return quiet
}

func exceedances(t *testing.T, f cluster.Feature, quiet []judged) {
	for _, at := range []struct{ z, nominal float64 }{{2, 0.0455}, {2.5, 0.01242}, {3, 0.0027}, {4, 6.3e-5}} {
		hours := map[int64][2]float64{} // findings and exceedances
		up, n := 0.0, 0.0
		for _, j := range quiet {
			if j.Feature != f {
				continue
			}
			h := hours[j.end/int64(time.Hour)]
			h[0]++
			n++
			if math.Abs(j.Z) > at.z {
				h[1]++
				if j.Z > 0 {
					up++
				}
			}
			hours[j.end/int64(time.Hour)] = h
		}
		ratio, low, high := bootstrap(hours)
		if at.z <= 2.5 && (low > 2*at.nominal || high < at.nominal/2) {
			t.Errorf("feature %d is not calibrated at %v", f, at.z)
		}
		t.Logf("feature %d: |z| > %.1f: observed over nominal %.2f (%.2f to %.2f), of it above %.0f %%, of %.0f windows in %d hours",
			f, at.z, ratio/at.nominal, low/at.nominal, high/at.nominal, 100*up/math.Max(1, ratio*n), n, len(hours))
	}
}

// perDay is how many clusters a day exceed at any time of it.
func perDay(quiet []judged, f cluster.Feature, z float64) float64 {
	type one struct {
		cluster fingerprint.ID
		day     int64
	}
	hours, beyond := map[int64]bool{}, map[one]bool{}
	for _, j := range quiet {
		hours[j.end/int64(time.Hour)] = true
		if j.Feature == f && math.Abs(j.Z) > z {
			beyond[one{j.Cluster, j.end / int64(24*time.Hour)}] = true
		}
	}
	return float64(len(beyond)) / float64(len(hours)) * 24
}

// bootstrap returns the share of exceedances and its 95 % interval by blocks of
// an hour.
func bootstrap(hours map[int64][2]float64) (share, low, high float64) {
	var blocks [][2]float64
	var keys []int64
	for h := range hours {
		keys = append(keys, h)
	}
	slices.Sort(keys)
	sum := [2]float64{}
	for _, h := range keys {
		blocks = append(blocks, hours[h])
		sum[0] += hours[h][0]
		sum[1] += hours[h][1]
	}
	state := uint64(1)
	var shares []float64
	for range 1000 {
		s := [2]float64{}
		for range blocks {
			state = state*6364136223846793005 + 1442695040888963407
			b := blocks[(state>>33)%uint64(len(blocks))]
			s[0] += b[0]
			s[1] += b[1]
		}
		shares = append(shares, s[1]/s[0])
	}
	slices.Sort(shares)
	return sum[1] / sum[0], shares[25], shares[975]
}

// strongest describes the finding of a feature during an incident that deviates
// most, among those about its actors.
func strongest(all []judged, in *detection.Incident, f cluster.Feature) string {
	var best *judged
	for i := range all {
		j := &all[i]
		if j.Feature == f && during(in, j.end) && slices.Contains(in.Actors, j.Subject) && (best == nil || j.LogP < best.LogP) {
			best = j
		}
	}
	if best == nil {
		return "-"
	}
	return fmt.Sprintf("%5.1f (%.4g for %.3g, %.3g to %.3g; %s; like %q)", best.Z, best.Observed, best.Expected, best.Low, best.High,
		strings.TrimPrefix(best.key.APIGroup+"/"+best.key.Resource, "/")+" "+best.key.Access.String(), best.Like)
}
