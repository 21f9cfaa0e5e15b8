package peer_test

import (
	"cmp"
	"errors"
	"flag"
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

// judged is a finding with when and where it was made.
type judged struct {
	baseline.Finding
	end int64
	key *fingerprint.ClusterKey
}

func appendJudged(all []judged, ev *cluster.Evaluation, findings []baseline.Finding) []judged {
	for _, f := range findings {
		i, _ := slices.BinarySearchFunc(ev.Windows, f.Cluster, func(w cluster.Window, id fingerprint.ID) int { return cmp.Compare(w.Cluster.ID, id) })
		all = append(all, judged{Finding: f, end: ev.End, key: ev.Windows[i].Cluster})
	}
	return all
}

// replay gives the hours of a recording to stores, after the families that were
// known by then.
type replay struct {
	learned []*family.Families
	stores  []*peer.Store
	visit   func(*cluster.Evaluation, []baseline.Finding, *peer.Store)
}

// Train implements [cluster.Visitor].
func (*replay) Train(*cluster.Training) {}

// Evaluate implements [cluster.Visitor].
func (r *replay) Evaluate(ev *cluster.Evaluation) {
	if ev.Scale != cluster.Medium {
		return
	}
	for ; len(r.learned) > 0 && r.learned[0].At <= ev.End; r.learned = r.learned[1:] {
		f := r.learned[0]
		for _, s := range r.stores {
			s.SetFamilies(stream.Tenant, func(role string) string {
				if of := f.Of(role); of != nil {
					return of.ID
				}
				return ""
			})
		}
	}
	for _, s := range r.stores {
		r.visit(ev, s.Judge(ev), s)
	}
}

func (r *replay) run(rec *stream.Recording) {
	cfg := cluster.DefaultConfig()
	cfg.MediumWindow, cfg.MediumSlide = time.Hour, 5*time.Minute
	w := cluster.New(cfg)
	w.AddSource(0, "recording")
	var ev fingerprint.Event
	for i := range rec.Items {
		it := &rec.Items[i]
		ev.Time, ev.User, ev.Tenant, ev.Verb = it.Time, it.User, stream.Tenant, it.Print.Verb
		w.Add(&ev, it.Print, cluster.Origin{})
		if i%64 == 0 {
			w.Advance(r)
		}
	}
	w.Finish(r)
}

// TestPeersOfTheRecording prints how often the peer features exceed on the
// quiet part of three recorded days, and what they say about its incidents.
func TestPeersOfTheRecording(t *testing.T) {
	r, learned := recorded(t)
	var all []judged
	var silhouettes, stabilities []float64
	each := func(ev *cluster.Evaluation, findings []baseline.Finding, store *peer.Store) {
		all = appendJudged(all, ev, findings)
		if q := store.Quality(stream.Tenant); q.SilhouetteOK() && ev.End%int64(time.Hour) == 0 {
			silhouettes = append(silhouettes, q.Silhouette)
			stabilities = append(stabilities, q.Stability)
		}
	}
	store := peer.New(peer.DefaultConfig())
	(&replay{learned: learned, stores: []*peer.Store{store}, visit: each}).run(r)
	// Incidents are in it too, but a window teaches no more than it may.
	for _, row := range store.Calibration(stream.Tenant) {
		if row.Enough() && row.Z <= 3 {
			stratum := row.Stratum.String()
			if row.All {
				stratum = "anything"
			}
			if row.Z <= 2.5 && row.Feature == cluster.Peer && row.All && !row.Corrected.Calibrated() {
				t.Errorf("subjects are not calibrated: %+v", row)
			}
			t.Logf("every window: %s, expected %s, |z| > %.1f: nominally %.2f (%.2f to %.2f), corrected %.2f (%.2f to %.2f) of %d",
				name(row.Feature), stratum, row.Z, row.Nominal.Value, row.Nominal.Low, row.Nominal.High,
				row.Corrected.Value, row.Corrected.Low, row.Corrected.High, row.Windows)
		}
	}
	for what, values := range map[string][]float64{"silhouette": silhouettes, "stability": stabilities} {
		slices.Sort(values)
		t.Logf("%s of the tenant, hourly: lowest %.3f, median %.3f, highest %.3f", what, values[0], values[len(values)/2], values[len(values)-1])
	}
	quiet := quietPart(r.Labels, all)
	for _, f := range []cluster.Feature{cluster.Peer, cluster.Silhouette} {
		exceedances(t, f, quiet)
		t.Logf("%s: %.1f clusters a quiet day beyond 3, %.1f beyond 4", name(f), perDay(quiet, f, 3), perDay(quiet, f, 4))
	}
	// What peers are there for: somebody who does what his peers do too, and more.
	for _, in := range r.Labels.Incidents {
		if slices.Contains([]string{"dev-04", "dev-06", "dev-14"}, in.ID) {
			if j := best(all, &in, cluster.Peer); j == nil || j.Z < 4 {
				t.Errorf("%s %s: %s", in.ID, in.Name, j.text())
			}
		}
	}
	for _, in := range append(slices.Clone(r.Labels.Incidents), r.Labels.BenignChanges...) {
		t.Logf("%-8s %-50.50s peer %s; silhouette %s", in.ID, in.Name, best(all, &in, cluster.Peer).text(), best(all, &in, cluster.Silhouette).text())
	}
}

// name is what a feature is called here.
func name(f cluster.Feature) string {
	if f == cluster.Peer {
		return "peer"
	}
	return "silhouette"
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
	for _, z := range []float64{2, 2.5, 3, 4} {
		r := beyond(quiet, f, z)
		if z <= 2.5 && (r.low > 2 || r.high < 0.5) {
			t.Errorf("%s is not calibrated at %v", name(f), z)
		}
		t.Logf("%s: |z| > %.1f: observed over nominal %.2f (%.2f to %.2f), %.2f of the upper side, of %d windows in %d hours",
			name(f), z, r.value, r.low, r.high, r.up, r.windows, r.hours)
	}
}

// ratio is of observed to nominal exceedances, with its 95 % interval.
type ratio struct {
	value, low, high, up float64
	windows, hours       int
}

func beyond(quiet []judged, f cluster.Feature, z float64) ratio {
	nominal := math.Erfc(z / math.Sqrt2)
	hours := map[int64][2]float64{} // findings and exceedances
	r := ratio{}
	for _, j := range quiet {
		if j.Feature != f {
			continue
		}
		h := hours[j.end/int64(time.Hour)]
		h[0]++
		r.windows++
		if math.Abs(j.Z) > z {
			h[1]++
		}
		if j.Z > z {
			r.up++
		}
		hours[j.end/int64(time.Hour)] = h
	}
	share, low, high := bootstrap(hours)
	r.hours = len(hours)
	r.value, r.low, r.high = share/nominal, low/nominal, high/nominal
	r.up /= float64(r.windows) * nominal / 2
	return r
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

// best is the finding of a feature during an incident that deviates most, among
// those about its actors; nil without one.
func best(all []judged, in *detection.Incident, f cluster.Feature) *judged {
	var best *judged
	for i := range all {
		j := &all[i]
		if j.Feature == f && during(in, j.end) && slices.Contains(in.Actors, j.Subject) && (best == nil || j.LogP < best.LogP) {
			best = j
		}
	}
	return best
}

func (j *judged) text() string {
	if j == nil {
		return "-"
	}
	return fmt.Sprintf("%5.1f (%.4g for %.3g, %.3g to %.3g; %s; like %q)", j.Z, j.Observed, j.Expected, j.Low, j.High,
		strings.TrimPrefix(j.key.APIGroup+"/"+j.key.Resource, "/")+" "+j.key.Access.String(), j.Like)
}

var sweep = flag.Bool("sweep", false, "print the findings at half and double of every constant")

// TestSweep prints what every constant does at half and double:
//
//	go test ./baseline/peer -run Sweep -sweep -v
func TestSweep(t *testing.T) {
	if !*sweep {
		t.Skip("a table for people: ask for it with -sweep")
	}
	r, learned := recorded(t)
	half, double := peer.DefaultConfig(), peer.DefaultConfig()
	half.HalfLife, double.HalfLife = half.HalfLife/2, 2*double.HalfLife
	rows := []string{"as shipped", "half_life 0.5", "half_life 2"}
	stores := []*peer.Store{peer.New(peer.DefaultConfig()), peer.New(half), peer.New(double)}
	for _, c := range peer.Constants {
		for _, by := range []float64{0.5, 2} {
			s := peer.New(peer.DefaultConfig())
			c.Scale(s, by)
			rows, stores = append(rows, fmt.Sprint(c.Name, " ", by)), append(stores, s)
		}
	}
	all := make(map[*peer.Store][]judged)
	(&replay{learned: learned, stores: stores, visit: func(ev *cluster.Evaluation, findings []baseline.Finding, s *peer.Store) {
		all[s] = appendJudged(all[s], ev, findings)
	}}).run(r)
	fmt.Println("| constant | peer beyond 2 | 2.5 | 3 | silhouette beyond 2 | 2.5 | strongest peer of each incident |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for i, s := range stores {
		quiet := quietPart(r.Labels, all[s])
		fmt.Printf("| %s |", rows[i])
		for _, z := range []float64{2, 2.5, 3} {
			fmt.Printf(" %.2f |", beyond(quiet, cluster.Peer, z).value)
		}
		for _, z := range []float64{2, 2.5} {
			fmt.Printf(" %.2f |", beyond(quiet, cluster.Silhouette, z).value)
		}
		for k := range r.Labels.Incidents {
			in := &r.Labels.Incidents[k]
			if j := best(all[s], in, cluster.Peer); j != nil && j.Z > 3 {
				fmt.Printf(" %s %.1f", in.ID, j.Z)
			}
		}
		fmt.Println(" |")
	}
}
