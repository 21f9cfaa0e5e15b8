package anomaly

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

var rewrite = flag.Bool("rewrite", false, "write the results of the scripts into testdata")

// A script is a list of commands, each with what it prints:
//
//	cluster NAME role=ROLE resource=RESOURCE access=ACCESS [sensitive]
//	config FIELD=VALUE ...
//	run DURATION [CLUSTER=EVENTS,FEATURE=COUNT,...@SUBJECT ...]
//	stall [SOURCE ...]
//	top
//	restart
//	----
//	what was printed
//
// run plays that many steady minutes: every window of five minutes has the
// given counts, a tenth of them fresh in every evaluation; what changes state is
// printed. Clusters that are not named have no events. stall says which sources
// the windows from here on lack.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { runScript(t, path) })
	}
}

func runScript(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(t)
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		commands, want, _ := strings.Cut(block, "\n----")
		var got strings.Builder
		for line := range strings.SplitSeq(commands, "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				p.command(&got, line)
			}
		}
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(commands + "\n----\n" + got.String())
		if want = strings.TrimPrefix(want, "\n"); !*rewrite && strings.TrimSpace(want) != strings.TrimSpace(got.String()) {
			t.Errorf("%s, after %q:\ngot:\n%s\nwant:\n%s", path, commands, got.String(), want)
		}
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	testWindow = int64(5 * time.Minute)
	testSlide  = int64(30 * time.Second)
	testGrace  = int64(2 * time.Minute)
)

// testOrigin is a Monday midnight.
var testOrigin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()

// player plays scripts to a store and a detector as the application does.
type player struct {
	t         testing.TB
	baseline  baseline.Config
	anomaly   Config
	store     *baseline.Store
	detector  *Detector
	clusters  map[string]*fingerprint.ClusterKey
	names     map[fingerprint.ID]string
	born      map[fingerprint.ID]int64
	at, mark  int64
	trainings []*cluster.Training // that wait for the grace
	stalled   []string
	last      Result
}

func newPlayer(t testing.TB) *player {
	return &player{
		t: t, baseline: baseline.DefaultConfig(), anomaly: DefaultConfig(),
		clusters: make(map[string]*fingerprint.ClusterKey), names: make(map[fingerprint.ID]string),
		born: make(map[fingerprint.ID]int64), at: testOrigin,
	}
}

func (p *player) command(out *strings.Builder, line string) {
	words := strings.Fields(line)
	switch words[0] {
	case "cluster":
		p.addCluster(words[1], words[2:])
	case "config":
		for _, w := range words[1:] {
			p.configure(w)
		}
	case "run":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			p.t.Fatal(err)
		}
		p.run(d, p.windows(words[2:]), func(r Result) {
			for i := range r.Changes {
				p.print(out, &r.Changes[i])
			}
		})
	case "top":
		for i := range p.last.Top {
			p.print(out, &p.last.Top[i])
		}
	case "stall":
		p.stalled = words[1:]
	case "restart":
		p.restart()
	default:
		p.t.Fatalf("unknown command %q", line)
	}
}

func (p *player) addCluster(name string, words []string) {
	k := &fingerprint.ClusterKey{ID: fingerprint.ID(len(p.clusters) + 1), Tenant: "t"}
	for _, w := range words {
		field, value, _ := strings.Cut(w, "=")
		switch field {
		case "role":
			k.Role = value
		case "resource":
			k.Resource = value
		case "sensitive":
			k.Sensitive = true
		case "access":
			for a := range fingerprint.AccessEscalate + 1 {
				if a.String() == value {
					k.Access = a
				}
			}
		default:
			p.t.Fatalf("unknown field %q", w)
		}
	}
	p.clusters[name], p.names[k.ID] = k, name
}

func (p *player) configure(word string) {
	if p.store != nil {
		p.t.Fatal("config comes before run")
	}
	field, value, _ := strings.Cut(word, "=")
	var err error
	switch field {
	case "learning":
		p.baseline.Learning, err = time.ParseDuration(value)
	case "cool_down":
		p.anomaly.CoolDown, err = time.ParseDuration(value)
	case "resolve_after":
		p.anomaly.ResolveAfter, err = time.ParseDuration(value)
	case "fire_after":
		p.anomaly.FireAfter, err = strconv.Atoi(value)
	case "top_k":
		p.anomaly.TopK, err = strconv.Atoi(value)
	case "risk_weights":
		p.anomaly.RiskWeights = value == "true"
	default:
		p.t.Fatalf("unknown setting %q", word)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// named is a subject that does everything in a window.
type named struct {
	name   string
	events uint32
}

func (n named) AppendNew(dst []cluster.Novelty, _ int) []cluster.Novelty { return dst }

func (n named) AppendSteps(dst []uint32, _ cluster.Feature) []uint32 { return dst }

func (n named) AppendSamples(dst []cluster.Sample, _ cluster.Feature, _ int) []cluster.Sample {
	return dst
}

func (n named) AppendTop(dst []cluster.Count, _ cluster.Facet, limit int) []cluster.Count {
	if limit < 1 {
		return dst
	}
	return append(dst, cluster.Count{Name: n.name, Events: n.events})
}

// windows parses CLUSTER=EVENTS,FEATURE=COUNT@SUBJECT.
func (p *player) windows(words []string) []cluster.Window {
	var ws []cluster.Window
	for _, w := range words {
		spec, subject, _ := strings.Cut(w, "@")
		name, rest, _ := strings.Cut(spec, "=")
		k := p.clusters[name]
		if k == nil {
			p.t.Fatalf("unknown cluster %q", name)
		}
		win := cluster.Window{Cluster: k}
		for i, part := range strings.Split(rest, ",") {
			field, value, ok := strings.Cut(part, "=")
			if i == 0 && !ok {
				field, value = "events", part
			}
			n, err := strconv.ParseUint(value, 10, 32)
			f := slices.Index(featureNames[:], field)
			if err != nil || f < 0 {
				p.t.Fatalf("cannot read %q", part)
			}
			win.Counts[f] = uint32(n)
		}
		for f := cluster.Subjects; f <= cluster.Sources; f++ {
			win.Counts[f] = max(win.Counts[f], 1)
		}
		win.Detail = named{subject, win.Counts[cluster.Events]}
		ws = append(ws, win)
	}
	slices.SortFunc(ws, func(a, b cluster.Window) int { return cmp.Compare(a.Cluster.ID, b.Cluster.ID) })
	return ws
}

func (p *player) start() {
	if p.store == nil {
		p.store = baseline.New(p.baseline)
		p.detector = New(p.anomaly, p.store)
	}
}

// run plays the windows for a while.
func (p *player) run(d time.Duration, ws []cluster.Window, found func(Result)) {
	p.start()
	for end := p.at + int64(d); p.at < end; {
		p.at += testSlide
		for i := range ws {
			id := ws[i].Cluster.ID
			if p.born[id] == 0 {
				p.born[id] = p.at - testSlide
			}
			ws[i].FirstPane = p.born[id]
			for f, n := range ws[i].Counts {
				ws[i].Fresh[f] = uint32(math.Ceil(float64(n) / 10))
			}
		}
		if (p.at-testOrigin)%testWindow == 0 {
			p.trainings = append(p.trainings, &cluster.Training{
				Tenant: "t", Start: p.at - testWindow, End: p.at, Windows: slices.Clone(ws), Incomplete: len(p.stalled) > 0,
			})
		}
		for len(p.trainings) > 0 && p.trainings[0].End+testGrace <= p.at {
			p.store.Train(p.trainings[0])
			p.trainings = p.trainings[1:]
		}
		if mark := p.at - p.at%int64(p.baseline.Retrain); mark > p.mark {
			p.detector.Shifted(p.store.Retrain(mark))
			p.mark = mark
		}
		p.last = p.detector.Evaluate(&cluster.Evaluation{
			Tenant: "t", Start: p.at - testWindow, End: p.at, Windows: ws, Partial: p.stalled,
		})
		found(p.last)
	}
}

// restart replaces store and detector by restored ones.
func (p *player) restart() {
	store := baseline.New(p.baseline)
	detector := New(p.anomaly, store)
	if err := store.Restore(p.store.Snapshot()); err != nil {
		p.t.Fatal(err)
	}
	if err := detector.Restore(p.detector.Snapshot()); err != nil {
		p.t.Fatal(err)
	}
	p.store, p.detector = store, detector
}

func (p *player) print(out *strings.Builder, a *Anomaly) {
	fmt.Fprintf(out, "%s %-8s %-8s %s z %.1f rank %d", a.WindowEnd.Format("Mon 15:04:05"), a.State, a.Severity, p.names[a.Cluster.ID], a.Z, a.Rank)
	if len(a.Features) > 0 {
		f := a.Features[0]
		fmt.Fprintf(out, ", %s %.0f (%.0f, %.0f to %.0f)", f.Name, f.Observed, f.Expected, f.Low, f.High)
	}
	if len(a.Subjects) > 0 {
		fmt.Fprintf(out, ", by %s", a.Subjects[0].Name)
	}
	for _, part := range a.Parts {
		fmt.Fprintf(out, ", with %s z %.1f", p.names[part.Cluster.ID], part.Z)
	}
	fmt.Fprintf(out, ", since %s", a.StartedAt.Format("15:04:05"))
	if !a.FiredAt.IsZero() {
		fmt.Fprintf(out, ", fired %s", a.FiredAt.Format("15:04:05"))
	}
	if a.LevelShift {
		out.WriteString(", level shift")
	}
	if a.Learning {
		out.WriteString(", learning")
	}
	out.WriteString("\n")
}
