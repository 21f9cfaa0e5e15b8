package web

import (
	"strings"
	"testing"
	"time"
)

// decided is a book with a decision of every kind.
type decided struct{ ledger }

func (*decided) Verdicts() ([]Verdict, VerdictCounts) {
	precision := 0.75
	until := watermark.Add(3 * time.Hour)
	return []Verdict{
		{ID: "9f0c2d6be1a45d01", Verdict: "true", Role: "ClusterRole/ci-deployer", Resource: "secrets", Access: "read", Clusters: 3, InForce: true, Baseline: "keep-out", Comment: "stolen CI token", By: "alice"},
		{ID: "51a0c3d2e7f80911", Verdict: "expected", Role: "Role/shop/debugger", Resource: "pods/exec", Access: "connect", Clusters: 1, Until: &until, Comment: hostile, By: "bob"},
	}, VerdictCounts{True: 3, False: 1, Expected: 1, Precision: &precision}
}

func (*decided) Suppressions() []Suppression {
	return []Suppression{{ID: "s12", Matchers: []string{`role=~"ClusterRole/ci-.*"`, `access="write"`}, Until: watermark.Add(time.Hour), InForce: true, Comment: "migration", By: "alice"}}
}

func (*decided) Maintenance() []Maintenance {
	return []Maintenance{{Name: "node upgrades", Matchers: []string{`resource="pods/eviction"`}, Active: true}}
}

func compared() (string, *Shadow) {
	return "Two alerts are the same when they have a cluster in common.", &Shadow{
		Config: "next.yaml", Since: minutesAgo(600), Main: 2, Shadow: 1, Both: 5,
		Last: []Difference{{Only: "shadow", Alert: ShadowAlert{Role: "ClusterRole/backup-all", Resource: "secrets", Access: "read", Subject: hostile, Z: 5.2, FiredAt: minutesAgo(30)}}},
	}
}

func optionsOfDecided() Options {
	o := optionsOf(story())
	o.Verdicts, o.Shadow = &decided{}, compared
	return o
}

func TestVerdictsPage(t *testing.T) {
	for _, path := range []string{"/verdicts", "/verdicts/live"} {
		page := get(t, NewHandler(DefaultConfig(), optionsOfDecided()), path).Body.String()
		for _, want := range []string{
			"9f0c2d6be1a45d01", "true, keep out", "read secrets as ClusterRole/ci-deployer and 2 other clusters", "stolen CI token",
			"75 %", "s12", "access=&#34;write&#34;", "15:31", "node upgrades",
			"next.yaml: 2 alerts only here, 1 only by the shadow, 5 by both", "&#43;5.2", "&lt;script&gt;document",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("%s has no %q", path, want)
			}
		}
		if strings.Contains(page, "<script>document") {
			t.Errorf("%s holds a script from a record", path)
		}
	}
}

// Without decisions, and without anybody who takes them, the page says how.
func TestVerdictsPageOfNothing(t *testing.T) {
	empty := optionsOf(story())
	empty.Verdicts = &ledger{}
	for _, o := range []Options{empty, optionsOf(story())} {
		page := get(t, NewHandler(DefaultConfig(), o), "/verdicts").Body.String()
		if !strings.Contains(page, "logcluster verdict ID") || strings.Contains(page, "Shadow") {
			t.Errorf("the page of nothing:\n%s", page)
		}
	}
}
