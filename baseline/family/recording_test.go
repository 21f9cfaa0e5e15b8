package family_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
	"github.com/logcluster/logcluster/ingest/recording"
)

const tenant = "default"

// recorded returns the folder of the recording, which lies beside the
// repository or where LOGCLUSTER_DATA says, and skips the test without it.
func recorded(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join("..", "..", "..", "shared", "data")), "dev")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if testing.Short() || raceDetector {
		t.Skip("replays three days: minutes with the race detector, for which there is nothing here")
	}
	return dir
}

// stages are those that families need, as the application composes them.
type stages struct {
	store     *baseline.Store
	policy    *rbac.Policy
	learner   *family.Learner
	retrained int64
	visit     func(*family.Families)
}

func (s *stages) Train(t *cluster.Training) { s.store.Train(t) }

func (s *stages) Evaluate(ev *cluster.Evaluation) {
	every := int64(baseline.DefaultConfig().Retrain)
	if mark := ev.End - ev.End%every; mark > s.retrained {
		s.store.Retrain(mark)
		s.retrained = mark
		s.visit(s.learner.Learn(tenant, mark, family.Assemble(s.policy, s.store.Behaviour(tenant))))
	}
}

// replay learns families from the recording, every ten minutes of event time.
func replay(t *testing.T, path string, p *rbac.Policy, visit func(*family.Families)) {
	t.Helper()
	source, err := recording.Open(path, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	s := &stages{
		store: baseline.New(baseline.DefaultConfig()), policy: p,
		learner: family.New(family.DefaultConfig()), visit: visit,
	}
	w := cluster.New(cluster.DefaultConfig())
	w.AddSource(0, "recording")
	prints := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: fingerprint.Always(p)})
	decoder := ingest.NewDecoder(ingest.DefaultConfig())
	add := func(e *fingerprint.Event) {
		e.Tenant = tenant
		w.Add(e, prints.Of(e), 0, 0)
	}
	for {
		batch, err := source.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range batch.Values {
			if _, err := decoder.Decode(record, add); err != nil {
				t.Fatal(err)
			}
		}
		w.Advance(s)
		batch.Release()
	}
	w.Finish(s)
}

// day is what was learned in a day of the recording.
type day struct {
	learned, unstable int
	stability         float64 // the sum
	last              *family.Families
}

// TestFamiliesOfTheRecording prints the families of three recorded days with
// their quality and stability (go test -v), and holds what the project
// promises of them: alike roles of sixteen namespaces are one family, whether
// they are met alone or as a part of a key; no family mixes powers; families
// are told apart well and stay what they are.
func TestFamiliesOfTheRecording(t *testing.T) {
	dir := recorded(t)
	loaded, err := policy.LoadFiles(filepath.Join(dir, "rbac.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(loaded.Objects)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*rbac.Policy{"with policy": p, "without policy": nil} {
		t.Run(name, func(t *testing.T) {
			var days []day
			first := int64(0)
			replay(t, filepath.Join(dir, "audit.jsonl.zst"), p, func(f *family.Families) {
				if first == 0 {
					first = f.At
				}
				if n := int((f.At - 1 - first) / int64(24*time.Hour)); n == len(days) {
					days = append(days, day{})
				}
				d := &days[len(days)-1]
				d.learned++
				d.stability += f.Stability
				d.last = f
				if f.Stability < 1 {
					d.unstable++
				}
				separated(t, p, f)
			})
			report(t, days)
			if p != nil {
				teamsAreTogether(t, days[len(days)-1].last)
			}
		})
	}
}

// separated fails the test when a family mixes classes of power.
func separated(t *testing.T, p *rbac.Policy, f *family.Families) {
	for i := range f.Families {
		for _, key := range f.Families[i].Members {
			if class := p.KeyPower(key).Class; class != rbac.ClassUnknown && class != f.Families[i].Class {
				t.Fatalf("%s is in a family of class %v", key, f.Families[i].Class)
			}
		}
	}
}

// report prints the days and the last families, and holds their quality.
func report(t *testing.T, days []day) {
	for n, d := range days {
		f, stability := d.last, d.stability/float64(d.learned)
		t.Logf("day %d: %d roles in %d families, silhouette %.3f of %d, mean stability %.4f, %d of %d retrains changed some",
			n+1, f.Roles, len(f.Families), f.Silhouette, f.Compared, stability, d.unstable, d.learned)
		if n > 0 && (stability < 0.98 || f.Silhouette < 0.6) {
			t.Errorf("day %d: stability %.3f, silhouette %.3f", n+1, stability, f.Silhouette)
		}
	}
	last := slices.Clone(days[len(days)-1].last.Families)
	slices.SortFunc(last, func(a, b family.Family) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(len(b.Members), len(a.Members)), cmp.Compare(a.ID, b.ID))
	})
	for _, f := range last {
		if len(f.Members) > 1 {
			t.Logf("%-8v %2d members, silhouette %5.2f: %s", f.Class, len(f.Members), f.Silhouette, f.Name)
		}
	}
}

// teamsAreTogether checks that the editors of eight teams in two namespaces
// each are one family, and so are the keys of people who are just that.
func teamsAreTogether(t *testing.T, f *family.Families) {
	alone, asPeople := map[string]int{}, map[string]int{}
	for i := range f.Families {
		for _, key := range f.Families[i].Members {
			before, editor := "", key
			if at := strings.LastIndex(key, rbac.KeySeparator); at >= 0 {
				before, editor = key[:at], key[at+1:]
			}
			if ok, _ := filepath.Match("Role/team-*/team-*-editor", editor); !ok || strings.Contains(editor, "loyalty") {
				continue
			}
			switch before {
			case "":
				alone[f.Families[i].ID]++
			case "ClusterRole/engineers-readonly,ClusterRole/platform-aggregate":
				asPeople[f.Families[i].ID]++
			}
		}
	}
	for name, families := range map[string]map[string]int{"alone": alone, "of people": asPeople} {
		members := 0
		for _, n := range families {
			members += n
		}
		if len(families) != 1 || members != 16 {
			t.Errorf("the editors %s are in these families: %v", name, families)
		}
	}
}
