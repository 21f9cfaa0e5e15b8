package anomaly

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// suppressing suppresses the clusters whose role it names, until a time.
type suppressing struct {
	role  string
	until int64
}

func (s *suppressing) Suppressed(key *fingerprint.ClusterKey, _ []Share, at int64) (string, bool) {
	return "known", key.Role == s.role && at < s.until
}

// unbound are the roles that nobody is bound to.
type unbound []string

func (u unbound) Bound(key *fingerprint.ClusterKey, _ int64) bool {
	return !slices.Contains(u, key.Role)
}

// crowd has so many clusters of their own role and subject, played for two days.
func crowd(t testing.TB, cfg Config, clusters int) (p *player, usual []cluster.Window) {
	p = newPlayer(t)
	p.anomaly = cfg
	var words []string
	for i := range clusters {
		access := []string{"read", "write", "connect"}[i%3]
		p.addCluster(fmt.Sprint("c", i), []string{fmt.Sprint("role=Role/ns/r", i), "resource=pods", "access=" + access})
		words = append(words, fmt.Sprintf("c%d=20@user%d", i, i))
	}
	usual = p.windows(words)
	p.run(48*time.Hour, usual, func(Result) {})
	return p, usual
}

// loud are windows in which the first n clusters do ten times as much.
func (p *player) loud(clusters, n int) []cluster.Window {
	var words []string
	for i := range clusters {
		events := 20
		if i < n {
			events = 200 + 10*i
		}
		words = append(words, fmt.Sprintf("c%d=%d@user%d", i, events, i))
	}
	return p.windows(words)
}

// A flood of anomalies gives top_k alerts and a summary; when it is over,
// everything was resolved where it was told.
func TestFloodIsSummarised(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TopK = 5
	p, usual := crowd(t, cfg, 30)
	state := make(map[string]State)
	withheld := make(map[string]State)
	var summary []Anomaly
	observe := func(r Result) {
		for _, a := range r.Changes {
			if a.Summary {
				summary = append(summary, a)
			}
			state[a.ID] = a.State
		}
		for _, a := range r.Withheld {
			withheld[a.ID] = a.State
		}
	}
	p.run(3*time.Minute, p.loud(30, 28), observe)
	if len(summary) != 1 || summary[0].State != Firing {
		t.Fatalf("summary: %s", brief(summary))
	}
	now := p.last.Firing[len(p.last.Firing)-1]
	if now.ID != summary[0].ID || len(now.Parts) != maxParts || now.Cut != 13 {
		t.Fatalf("the summary now: %+v", now)
	}
	if now.Severity != Critical || now.Parts[0].Cluster.Access != fingerprint.AccessConnect {
		t.Errorf("the most severe of the cut ones come first, and say how severe it is: %+v", now)
	}
	if told := len(state) - len(summary); told != cfg.TopK {
		t.Errorf("%d were told, top_k is %d", told, cfg.TopK)
	}
	if len(withheld) != 23 {
		t.Errorf("%d are withheld, 23 of 28 are past the cut", len(withheld))
	}
	p.run(time.Hour, usual, observe)
	for id, s := range state {
		if s != Resolved {
			t.Errorf("%s is still %s", id, s)
		}
	}
	for id, s := range withheld {
		if s != Resolved {
			t.Errorf("%s, which nobody was told of, is still %s", id, s)
		}
	}
}

// What is past the cut is told after all when it lasts and there is room.
func TestCutIsToldLater(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TopK = 5
	p, _ := crowd(t, cfg, 10)
	fired := make(map[string]int)
	last := make(map[string]State)
	p.run(20*time.Minute, p.loud(10, 8), func(r Result) {
		for _, a := range r.Changes {
			if a.State == Firing && !a.Summary {
				fired[a.Cluster.Role]++
			}
			last[a.ID] = a.State
			if a.Summary && a.State == Resolved && len(r.Unseen) > 0 {
				t.Errorf("the summary is over and somebody is unseen")
			}
		}
	})
	if len(fired) != 8 {
		t.Errorf("%d of 8 were told", len(fired))
	}
	for role, n := range fired {
		if n != 1 {
			t.Errorf("%s was told %d times", role, n)
		}
	}
}

// What is suppressed is nobody's business, until the suppression ends: then it
// fires. What it would have taken in is told by itself.
func TestSuppressedFiresWhenThatEnds(t *testing.T) {
	p, usual := crowd(t, DefaultConfig(), 4)
	s := &suppressing{role: "Role/ns/r0", until: p.at + int64(10*time.Minute)}
	p.detector.SetSuppressions(s)
	var changes, withheld []Anomaly
	observe := func(r Result) {
		changes, withheld = append(changes, r.Changes...), append(withheld, r.Withheld...)
		for _, a := range r.Unseen {
			if a.Suppressed != "known" || a.Rank != 0 {
				t.Errorf("unseen: %+v", a)
			}
		}
	}
	p.run(9*time.Minute, p.loud(4, 1), observe)
	if len(changes) != 0 || len(withheld) != 1 || withheld[0].State != Firing || withheld[0].Suppressed != "known" {
		t.Fatalf("while it is suppressed: %s, withheld %s", brief(changes), brief(withheld))
	}
	p.run(3*time.Minute, p.loud(4, 1), observe)
	if len(changes) != 1 || changes[0].State != Firing || changes[0].ID != withheld[0].ID {
		t.Fatalf("when that ends: %s", brief(changes))
	}
	p.run(time.Hour, usual, observe)
	if len(changes) != 2 || changes[1].State != Resolved || len(withheld) != 1 {
		t.Fatalf("at the end: %s", brief(changes))
	}
}

// Nobody misses a role that nobody is bound to any more.
func TestRetiredIsNotAbsent(t *testing.T) {
	for _, retired := range []bool{false, true} {
		p, _ := crowd(t, DefaultConfig(), 3)
		if retired {
			p.detector.SetBindings(unbound{"Role/ns/r0"})
		}
		fired := 0
		p.run(time.Hour, p.windows([]string{"c1=20@user1", "c2=20@user2"}), func(r Result) { fired += len(r.Changes) })
		if (fired == 0) != retired {
			t.Errorf("retired %v: %d alerts", retired, fired)
		}
	}
}

// A level that is accepted ends its anomaly once.
func TestShiftedEndsOnce(t *testing.T) {
	p, _ := crowd(t, DefaultConfig(), 3)
	p.run(10*time.Minute, p.loud(3, 1), func(Result) {})
	p.detector.Shifted([]baseline.Shift{{Tenant: "t", Cluster: p.clusters["c0"]}, {Tenant: "nobody", Cluster: p.clusters["c0"]}})
	var changes []Anomaly
	p.run(20*time.Minute, p.loud(3, 1), func(r Result) { changes = append(changes, r.Changes...) })
	if len(changes) != 1 || changes[0].State != Resolved || !changes[0].LevelShift {
		t.Errorf("changes: %s", brief(changes))
	}
}

// What comes again and again becomes one alert that stays.
func TestFlappingIsHeld(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CoolDown = 20 * time.Minute
	p, usual := crowd(t, cfg, 3)
	fired := 0
	for range 24 {
		observe := func(r Result) {
			for _, a := range r.Changes {
				if a.State == Firing {
					fired++
				}
			}
		}
		p.run(3*time.Minute, p.loud(3, 1), observe)
		p.run(32*time.Minute, usual, observe)
	}
	if fired == 0 || fired > 12 {
		t.Errorf("fired %d times in 24 bursts", fired)
	}
}

// Whatever comes and however little room there is: every anomaly that fires is
// told, or withheld and then in the summary while it lasts; nothing is told
// twice; what people were told of is firing until they are told that it is over.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		p := randomPlayer(t)
		p.anomaly.TopK = rapid.IntRange(1, 3).Draw(rt, "top k")
		sup := &suppressing{role: "Role/ns/r1"}
		p.start()
		p.detector.SetSuppressions(sup)
		told, unseen := make(map[string]State), make(map[string]State)
		for range 25 {
			sup.until = p.at + int64(rng.IntN(3))*int64(5*time.Minute)
			p.run(5*time.Minute, p.randomWindows(rng), func(r Result) { checkTold(rt, &r, told, unseen) })
		}
	})
}

func checkTold(t interface{ Fatalf(string, ...any) }, r *Result, told, unseen map[string]State) {
	for i := range r.Withheld {
		a := &r.Withheld[i]
		if told[a.ID] != "" || unseen[a.ID] == a.State || a.State == Firing && a.Suppressed == "" && !a.PastCut {
			t.Fatalf("withheld %s %s after %q", a.ID, a.State, unseen[a.ID])
		}
		unseen[a.ID] = a.State
	}
	for i := range r.Changes {
		a := &r.Changes[i]
		if a.State == Firing && told[a.ID] != "" || a.State == Resolved && told[a.ID] != Firing {
			t.Fatalf("%s is %s after %q", a.ID, a.State, told[a.ID])
		}
		told[a.ID] = a.State
		if unseen[a.ID] == Firing {
			delete(unseen, a.ID)
		}
	}
	firing := make(map[string]bool)
	summarised, cut := 0, 0
	for i := range r.Firing {
		firing[r.Firing[i].ID] = true
		if r.Firing[i].Summary {
			summarised += len(r.Firing[i].Parts) + r.Firing[i].Cut
		}
	}
	for i := range r.Unseen {
		a := &r.Unseen[i]
		firing[a.ID] = true
		if unseen[a.ID] != Firing {
			t.Fatalf("%s is unseen and was never withheld", a.ID)
		}
		if a.PastCut && a.Suppressed == "" {
			cut++
		}
	}
	if cut != summarised {
		t.Fatalf("%d are past the cut, the summary has %d", cut, summarised)
	}
	for _, of := range []map[string]State{told, unseen} {
		for id, s := range of {
			if (s == Firing) != firing[id] {
				t.Fatalf("%s is %s and firing is %v", id, s, firing[id])
			}
		}
	}
}

// The order in which clusters are numbered does not matter but for ties.
func TestOrderOfClustersDoesNotMatter(t *testing.T) {
	play := func(flip bool) []string {
		p := newPlayer(t)
		p.anomaly.TopK = 4
		for i := range 12 {
			p.addCluster(fmt.Sprint("c", i), []string{fmt.Sprint("role=Role/ns/r", i), "resource=x", "access=read"})
		}
		if flip {
			names := make(map[fingerprint.ID]string)
			for name, k := range p.clusters {
				k.ID = 100 - k.ID
				names[k.ID] = name
			}
			p.names = names
		}
		var out []string
		words := make([]string, 12)
		for i := range words {
			words[i] = fmt.Sprintf("c%d=%d@u%d", i, 20+i, i)
		}
		p.run(48*time.Hour, p.windows(words), func(Result) {})
		for i := range 8 {
			words[i] = fmt.Sprintf("c%d=%d@u%d", i, 200+30*i, i)
		}
		p.run(10*time.Minute, p.windows(words), func(r Result) {
			for _, a := range slices.Concat(r.Changes, r.Withheld) {
				if !a.Summary {
					out = append(out, fmt.Sprintf("%v %s %s %.9f %v", a.WindowEnd, a.State, a.Cluster.Role, a.Z, a.PastCut))
				}
			}
		})
		return out
	}
	if a, b := play(false), play(true); !slices.Equal(a, b) || len(a) < 8 {
		t.Errorf("in one order:\n%s\nin the other:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}
