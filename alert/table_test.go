package alert

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
)

func TestWriteLine(t *testing.T) {
	var b strings.Builder
	lines := []*anomaly.Anomaly{
		scanner(),
		with(func(a *anomaly.Anomaly) {
			a.Subjects = []anomaly.Share{{Name: "東京", Share: 1}}
			a.Rank, a.Z, a.Learning = 0, -4.26, true
		}),
		with(func(a *anomaly.Anomaly) {
			a.State, a.ResolvedAt, a.Subjects, a.Z = anomaly.Resolved, at("02:40:00"), nil, 123456
		}),
	}
	if err := WriteHeader(&b, LineStyle{}); err != nil {
		t.Fatal(err)
	}
	for _, a := range lines {
		rendered := From(a, DefaultConfig(), nil)
		if err := WriteLine(&b, &rendered, LineStyle{}); err != nil {
			t.Fatal(err)
		}
	}
	const want = `
TIME             STATE     RANK        Z  WHO                                                   WHAT                              HOW MUCH                                          SINCE             ROLE
Nov 03 02:21:30  firing      #1    +11.2  system:serviceaccount:image-scanner:image-scanner     reads secrets                     124 events in 5 min, usually 0 (0–2)              02:21 UTC         ClusterRole/scanner
Nov 03 02:21:30  firing       -     -4.3  東京                                                  reads secrets                     124 events in 5 min, usually 0 (0–2)              02:21 UTC         ClusterRole/scanner (learning)
Nov 03 02:21:30  resolved    #1  +123456  ClusterRole/scanner                                   reads secrets                     124 events in 5 min, usually 0 (0–2)              02:21 UTC         ClusterRole/scanner
`
	if got := b.String(); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestLineStyle(t *testing.T) {
	for name, tc := range map[string]struct {
		state, severity, begins string
	}{
		"critical": {"firing", "critical", "\x1b[1;31m"},
		"warning":  {"firing", "warning", "\x1b[33m"},
		"info":     {"firing", "info", "Nov"},
		"over":     {"resolved", "critical", "\x1b[2m"},
	} {
		t.Run(name, func(t *testing.T) {
			a := From(scanner(), DefaultConfig(), nil)
			a.State, a.Severity = tc.state, tc.severity
			a.Subjects[0].Name = strings.Repeat("東", 60)
			var b strings.Builder
			if err := WriteLine(&b, &a, LineStyle{Color: true, Width: 80}); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(b.String(), tc.begins) {
				t.Errorf("%q does not begin with %q", b.String(), tc.begins)
			}
			text := strings.NewReplacer("\x1b[0m", "", "\n", "", tc.begins, "").Replace(b.String())
			if w := uniseg.StringWidth(text); w > 80 {
				t.Errorf("%d cells wide, at most 80 wanted", w)
			}
		})
	}
}

func BenchmarkFrom(b *testing.B) {
	a := scanner()
	b.ReportAllocs()
	for b.Loop() {
		From(a, DefaultConfig(), nil)
	}
}

// What an alert was found by, as it stands below its line.
func TestWriteFacts(t *testing.T) {
	a := From(with(func(a *anomaly.Anomaly) {
		a.Objects = []anomaly.Share{{Name: "payments/key", Share: 0.5, Usual: 0.02}}
		a.New = []cluster.Novelty{{Feature: cluster.NewSubjectSources, Subject: "alice", What: "203.0.113.7"}}
		a.BeganAt, a.Like = at("02:18:10"), "ClusterRole/backup"
		a.Parts, a.Cut = []anomaly.Part{{Cluster: a.Cluster, Z: 4}}, 3
		a.Evidence = []cluster.Sample{{
			Time: at("02:18:12").UnixNano(), Offset: 17, Subject: "alice", Verb: "get", Namespace: "payments", Object: "key",
			Address: "203.0.113.7", Code: 403, Denied: true,
		}}
	}), DefaultConfig(), nil)
	a.LogQL = "{}"
	var b strings.Builder
	if err := WriteFacts(&b, &a, LineStyle{}); err != nil {
		t.Fatal(err)
	}
	const want = `    description  events: 124, expected 0 (95 % within 0 to 2), z +11.2, p 1e-29, in 5 min
                 objects: 57, expected 1 (95 % within 0 to 3), z +9.0, p 1e-19, in 5 min
    subjects     system:serviceaccount:image-scanner:image-scanner (96 %, usually 50 %)
                 alice (4 %)
    objects      payments/key (50 %, usually 2 %)
    new          alice from 203.0.113.7
    like         ClusterRole/backup
    began        2026-11-03T02:18:10Z
    parts        ClusterRole/scanner: read secrets, z +4.0
                 and 3 more
    evidence     2026-11-03T02:18:12Z alice get payments/key → 403 refused from 203.0.113.7, line 17
    query        {}
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
