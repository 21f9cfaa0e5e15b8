package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// backtestBundled compares two configurations on the bundled recording.
func backtestBundled(t testing.TB, change func(*BacktestOptions)) *backtestReport {
	t.Helper()
	recording, rbac, labels := bundled(t)
	var out, notes bytes.Buffer
	o := BacktestOptions{
		Names: [2]string{"a.yaml", "b.yaml"}, Files: []string{recording}, Output: &out, Notes: &notes, JSON: true,
		Labels: labels, Logger: testLogger(t),
	}
	for i := range o.Configs {
		cfg := DefaultConfig()
		cfg.Roles.Policy.Files.Paths = []string{rbac}
		o.Configs[i] = &cfg
	}
	if change != nil {
		change(&o)
	}
	if err := Backtest(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	t.Log(notes.String())
	r := new(backtestReport)
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Each side of a backtest tells what a replay with its configuration does.
func TestBacktestGivesWhatReplayGives(t *testing.T) {
	strict := func(cfg *Config) { cfg.Anomaly.FalseAlertsPerDay, cfg.Anomaly.FireAfter = 0.1, 6 }
	r := backtestBundled(t, func(o *BacktestOptions) { strict(o.Configs[sideB]) })
	for name, side := range map[string]struct {
		outcome *backtestOutcome
		change  func(*Config)
		ids     []string
	}{
		"A": {&r.A, func(*Config) {}, idsOf(r.OnlyA, pairsOf(r.Both))},
		"B": {&r.B, strict, nil},
	} {
		_, notes := replayBundled(t, func(o *ReplayOptions) { side.change(o.Config) })
		var judged detection.Report
		if err := json.NewDecoder(notes).Decode(&judged); err != nil {
			t.Fatal(err)
		}
		d := side.outcome.Detection
		if d.Alerts != judged.Alerts || d.Found != judged.Found || d.False != judged.False || d.MedianSeconds != judged.MedianSeconds {
			t.Errorf("%s: %d alerts, %d found, %d false; replay %d, %d, %d", name, d.Alerts, d.Found, d.False, judged.Alerts, judged.Found, judged.False)
		}
		if side.ids != nil && len(side.ids) != judged.Alerts {
			t.Errorf("%s: %d alerts are listed, %d were raised", name, len(side.ids), judged.Alerts)
		}
	}
	if r.A.Alerts == 0 || len(r.OnlyA)+len(r.Both) != r.A.Alerts || len(r.OnlyB)+r.B.Matched != r.B.Alerts {
		t.Errorf("A %d = %d + %d, B %d = %d + %d", r.A.Alerts, len(r.OnlyA), len(r.Both), r.B.Alerts, len(r.OnlyB), r.B.Matched)
	}
}

func pairsOf(pairs []alertPair) (out []web.ShadowAlert) {
	for i := range pairs {
		out = append(out, pairs[i].A)
	}
	return out
}

func idsOf(lists ...[]web.ShadowAlert) (out []string) {
	for _, list := range lists {
		for i := range list {
			out = append(out, list[i].ID)
		}
	}
	slices.Sort(out)
	return out
}

// With itself a configuration agrees, whether records are decoded once or twice,
// from a file or from the partitions of a topic.
func TestAConfigurationAgreesWithItself(t *testing.T) {
	recording, _, _ := bundled(t)
	values := lines(t, recording)
	brokers := broker(t, 3)
	publish(t, brokers, values)
	once := backtestBundled(t, func(o *BacktestOptions) { o.Tenant = testTopic })
	for name, change := range map[string]func(*BacktestOptions){
		"decoded twice": func(o *BacktestOptions) { o.Configs[sideB].Ingest.MaxRecordBytes-- },
		"from a topic": func(o *BacktestOptions) {
			o.Files, o.Topic = nil, testTopic
			o.Configs[sideA].Kafka.Client.Brokers = brokers
		},
	} {
		got := backtestBundled(t, func(o *BacktestOptions) { o.Tenant = testTopic; change(o) })
		if len(got.OnlyA)+len(got.OnlyB) > 0 || got.A.Matched != got.A.Alerts || got.B.Alerts != got.A.Alerts {
			t.Errorf("%s: it differs from itself: %+v %+v", name, got.OnlyA, got.OnlyB)
		}
		if len(got.Both) == 0 || !slices.Equal(idsOf(pairsOf(got.Both)), idsOf(pairsOf(once.Both))) {
			t.Errorf("%s: %v, want %v", name, idsOf(pairsOf(got.Both)), idsOf(pairsOf(once.Both)))
		}
	}
	part := backtestBundled(t, func(o *BacktestOptions) {
		o.Files, o.Topic, o.Labels = nil, testTopic, ""
		o.From, o.To = kafka.Bound{Offset: 100}, kafka.Bound{Offset: 5000}
		o.Configs[sideA].Kafka.Client.Brokers = brokers
	})
	if !part.Start.After(once.Start) || !part.End.Before(once.End) || part.A.Detection != nil {
		t.Errorf("a part of the topic: %s to %s of %s to %s", part.Start, part.End, once.Start, once.End)
	}
}

func TestBacktestReportReads(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	one := web.ShadowAlert{
		ID: "a", Role: "ClusterRole/ci", Resource: "secrets", Access: "read", Feature: "events", Subject: "mallory", Z: 7.25, Severity: "critical", FiredAt: at,
	}
	other := one
	other.ID, other.Role, other.Subject = "b", "ClusterRole/admin", ""
	judged := func(found int) *detection.Report {
		return &detection.Report{
			Incidents: 2, Found: found, Recall: detection.Interval{Value: float64(found) / 2, High: 1}, MedianSeconds: 90,
			PerIncident: []detection.Finding{{Name: "secrets dump", Found: found > 0, SecondsToDetect: 90}, {Name: "token theft"}},
		}
	}
	r := &backtestReport{
		A:     backtestOutcome{Config: "now.yaml", Alerts: 2, AlertsPerDay: 2, Matched: 1, Detection: judged(1)},
		B:     backtestOutcome{Config: "next.yaml", Alerts: 1, AlertsPerDay: 1, Matched: 1, Detection: judged(0)},
		Both:  []alertPair{{one, []web.ShadowAlert{one}}},
		OnlyA: []web.ShadowAlert{other},
	}
	r.B.Detection.MedianSeconds = 0
	var out strings.Builder
	if err := r.write(&out, false); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("testdata", "backtest.txt")
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s is\n%s\nnot\n%s", name, want, out.String())
	}
}

// whenAlert is an anomaly of a cluster with parts, as it fires or is over.
func whenAlert(id string, resolved bool, start, now int, clusters ...int) *anomaly.Result {
	at := func(minute int) time.Time { return time.Unix(0, 0).Add(time.Duration(minute) * time.Minute).UTC() }
	key := func(id int) *fingerprint.ClusterKey {
		return &fingerprint.ClusterKey{ID: fingerprint.ID(id), Tenant: "t"}
	}
	a := anomaly.Anomaly{ID: id, State: anomaly.Firing, Cluster: key(clusters[0]), StartedAt: at(start), FiredAt: at(start + 1)}
	for _, c := range clusters[1:] {
		a.Parts = append(a.Parts, anomaly.Part{Cluster: key(c)})
	}
	if resolved {
		a.State, a.ResolvedAt = anomaly.Resolved, at(now)
		return &anomaly.Result{Changes: []anomaly.Anomaly{a}}
	}
	return &anomaly.Result{Firing: []anomaly.Anomaly{a}}
}

func TestAlertsAreMatched(t *testing.T) {
	for name, test := range map[string]struct {
		play func(c *comparison)
		want string
	}{
		"the same": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7))
			c.observe(sideB, whenAlert("y", false, 2, 0, 7))
		}, "A x both, B y both"},
		"different clusters": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7))
			c.observe(sideB, whenAlert("y", false, 2, 0, 8))
		}, "A x only, B y only"},
		"a part in common": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7, 8))
			c.observe(sideB, whenAlert("y", false, 2, 0, 8))
		}, "A x both, B y both"},
		"a part that joins": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7))
			c.observe(sideB, whenAlert("y", false, 2, 0, 8))
			c.observe(sideA, whenAlert("x", false, 1, 0, 7, 8))
		}, "A x both, B y both"},
		"one after the other": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7))
			c.observe(sideA, whenAlert("x", true, 1, 5, 7))
			c.observe(sideB, whenAlert("y", false, 6, 0, 7))
		}, "A x only, B y only"},
		"slower to tell": {func(c *comparison) {
			c.observe(sideA, whenAlert("x", false, 1, 0, 7))
			c.observe(sideA, whenAlert("x", true, 1, 5, 7))
			c.settle(int64(8 * time.Minute))
			c.observe(sideB, whenAlert("y", false, 4, 0, 7))
		}, "A x both, B y both"},
	} {
		cfg := DefaultConfig()
		c := newComparison(&cfg, &cfg)
		var got []string
		c.closed = func(side int, o *compared) {
			word := "only"
			if len(o.Matches) > 0 {
				word = "both"
			}
			got = append(got, fmt.Sprintf("%c %s %s", 'A'+side, o.Alert.ID, word))
		}
		test.play(c)
		c.finish()
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: %s, want %s", name, text, test.want)
		}
	}
}

// Whatever the two sides tell, and in whichever order: every alert is closed once,
// and an alert has a counterpart where its counterpart has.
func TestEveryAlertIsClosedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		c := newComparison(&cfg, &cfg)
		seen, closed, matched := map[string]bool{}, map[string]bool{}, map[string]bool{}
		c.closed = func(side int, o *compared) {
			id := fmt.Sprint(side, o.Alert.ID)
			if closed[id] {
				t.Fatalf("%s is closed twice", id)
			}
			closed[id] = true
			for _, m := range o.Matches {
				matched[fmt.Sprint(side, o.Alert.ID, " ", m.ID)] = true
			}
		}
		for now := range rapid.IntRange(1, 60).Draw(t, "minutes") {
			side := rapid.IntRange(0, 1).Draw(t, "side")
			id := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "alert"))
			if closed[fmt.Sprint(side, id)] {
				continue
			}
			clusters := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 3).Draw(t, "clusters")
			resolved := rapid.IntRange(0, 3).Draw(t, "resolved") == 0
			if !resolved {
				seen[fmt.Sprint(side, id)] = true
			}
			c.observe(side, whenAlert(id, resolved, max(0, now-3), now, clusters...))
			c.settle(int64(time.Duration(now) * time.Minute))
		}
		c.finish()
		if len(closed) != len(seen) {
			t.Fatalf("%d alerts were closed, %d seen", len(closed), len(seen))
		}
		for pair := range matched {
			side, a, b := pair[0], strings.Fields(pair[1:])[0], strings.Fields(pair)[1]
			if !matched[fmt.Sprintf("%d%s %s", 1-int(side-'0'), b, a)] {
				t.Fatalf("%s is matched on one side only", pair)
			}
		}
	})
}
