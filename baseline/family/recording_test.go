package family_test

import (
	"cmp"
	"flag"
	"fmt"
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
		t.Skip("replays three days: skipped by -short, and with -race, for which there is nothing here")
	}
	return dir
}

var sweep = flag.Bool("sweep", false, "print the families at half and double of every constant")

// stages are those that families need, as the application composes them.
type stages struct {
	store     *baseline.Store
	policy    *rbac.Policy
	retrained int64
	visit     func(at int64, roles []family.Role)
}

func (s *stages) Train(t *cluster.Training) { s.store.Train(t) }

func (s *stages) Evaluate(ev *cluster.Evaluation) {
	every := int64(baseline.DefaultConfig().Retrain)
	if mark := ev.End - ev.End%every; mark > s.retrained {
		s.store.Retrain(mark)
		s.retrained = mark
		s.visit(mark, family.Assemble(s.policy, s.store.Behaviour(tenant)))
	}
}

// replay visits what is known of the roles of the recording, every ten minutes
// of event time.
func replay(t *testing.T, path string, p *rbac.Policy, visit func(at int64, roles []family.Role)) {
	t.Helper()
	source, err := recording.Open(path, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stages{store: baseline.New(baseline.DefaultConfig()), policy: p, visit: visit}
	w := cluster.New(cluster.DefaultConfig())
	w.AddSource(0, "recording")
	prints := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: fingerprint.Always(p)})
	decoder := ingest.NewDecoder(ingest.DefaultConfig())
	add := func(e *fingerprint.Event) {
		e.Tenant = tenant
		w.Add(e, prints.Of(e), cluster.Origin{})
	}
	if err := source.Each(t.Context(), func(batch *recording.Batch) error {
		for _, record := range batch.Values {
			if _, err := decoder.Decode(record, add); err != nil {
				return err
			}
		}
		w.Advance(s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.Finish(s)
}

// day is what was learned in a day of the recording.
type day struct {
	learned, unstable int
	stability         float64 // the sum
	last              *family.Families
}

func (d *day) add(f *family.Families) {
	d.learned++
	d.stability += f.Stability
	d.last = f
	if f.Stability < 1 {
		d.unstable++
	}
}

// snapshot returns the policy at the beginning of the recording.
func snapshot(t *testing.T, dir string) *rbac.Policy {
	t.Helper()
	loaded, err := policy.LoadFiles(filepath.Join(dir, "rbac.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(loaded.Objects)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFamiliesOfTheRecording prints the families of three recorded days with
// their quality and stability (go test -v), and holds what the project
// promises of them: alike roles of sixteen namespaces are one family, whether
// they are met alone or as a part of a key; no family mixes powers; families
// are told apart well and stay what they are.
func TestFamiliesOfTheRecording(t *testing.T) {
	dir := recorded(t)
	for name, p := range map[string]*rbac.Policy{"with policy": snapshot(t, dir), "without policy": nil} {
		t.Run(name, func(t *testing.T) {
			var days []day
			first := int64(0)
			learner := family.New(family.DefaultConfig())
			replay(t, filepath.Join(dir, "audit.jsonl.zst"), p, func(at int64, roles []family.Role) {
				f := learner.Learn(tenant, at, roles)
				if first == 0 {
					first = at
				}
				if n := int((at - 1 - first) / int64(24*time.Hour)); n == len(days) {
					days = append(days, day{})
				}
				days[len(days)-1].add(f)
				separated(t, p, f)
			})
			report(t, days)
			if p != nil {
				teamsAreTogether(t, days[len(days)-1].last)
			}
		})
	}
}

// TestSweep prints the effect of every constant at half and double, with the
// policy and without:
//
//	go test ./baseline/family -run Sweep -sweep -v
func TestSweep(t *testing.T) {
	if !*sweep {
		t.Skip("a table for people: ask for it with -sweep")
	}
	dir := recorded(t)
	const cut, evidence, stay = 0, 1, 2
	names := [...]string{"cut", "evidence", "stay"}
	type run struct {
		name, by string
		learner  *family.Learner
		day      day
	}
	runs := func() []*run {
		shipped := [...]float64{family.DefaultConfig().Cut, family.Evidence, family.Stay}
		tuned := func(c [3]float64) *family.Learner { return family.NewTuned(c[cut], c[evidence], c[stay]) }
		all := []*run{{name: "as shipped", learner: tuned(shipped)}}
		for i, name := range names {
			for _, by := range []float64{0.5, 2} {
				c := shipped
				c[i] *= by
				all = append(all, &run{name: name, by: fmt.Sprint(by), learner: tuned(c)})
			}
		}
		return all
	}
	fmt.Println("| constant | by | policy | families of roles | silhouette | mean stability | retrains that changed some |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, p := range []*rbac.Policy{snapshot(t, dir), nil} {
		all := runs()
		replay(t, filepath.Join(dir, "audit.jsonl.zst"), p, func(at int64, roles []family.Role) {
			for _, r := range all {
				r.day.add(r.learner.Learn(tenant, at, roles))
			}
		})
		for _, r := range all {
			d := &r.day
			fmt.Printf("| %s | %s | %v | %d of %d | %.2f of %d | %.4f | %d of %d |\n", r.name, r.by, p != nil,
				len(d.last.Families), d.last.Roles, d.last.Silhouette, d.last.Compared, d.stability/float64(d.learned), d.unstable, d.learned)
		}
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
