package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// fired returns an alert that the service shows as fired.
func (r *running) fired(t testing.TB) string {
	t.Helper()
	for _, a := range r.pipeline.board.Anomalies() {
		if a.FiredAt != nil {
			return a.ID
		}
	}
	t.Fatal("nothing has fired")
	return ""
}

// What people decide holds over a restart, and a run from nothing but the journal
// comes to the same.
func TestVerdictsHoldAndAreRepeated(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	part := len(values) * 3 / 4
	brokers := broker(t, 3)
	publish(t, brokers, values[:part])
	cfg := testConfig(t, brokers, rbac)
	cfg.Verdicts.Maintenance = []verdict.Maintenance{{
		Name: "never", Matchers: []string{`tenant="other"`}, Times: []verdict.Interval{{Weekdays: []string{"monday"}}},
	}}

	r := start(t, cfg)
	r.await(t, uint64(part))
	id := r.fired(t)
	var given web.VerdictAnswer
	r.ask(t, http.MethodPost, "/api/v1/verdicts", fmt.Sprintf(`{"id":%q,"verdict":"true","by":"alice"}`, id), http.StatusCreated, &given)
	var made web.SuppressionAnswer
	r.ask(t, http.MethodPost, "/api/v1/suppressions", `{"matchers":["resource=~\".*\""],"for":"240h","comment":"all of it"}`, http.StatusCreated, &made)
	var refused web.ErrorAnswer
	r.ask(t, http.MethodPost, "/api/v1/verdicts", `{"id":"0","verdict":"true"}`, http.StatusNotFound, &refused)
	r.ask(t, http.MethodPost, "/api/v1/verdicts", fmt.Sprintf(`{"id":%q,"verdict":"true","baseline":"let-in"}`, id), http.StatusBadRequest, &refused)
	told := r.changed()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	publish(t, brokers, values[part:])
	r = start(t, cfg)
	r.await(t, uint64(len(values)))
	var list web.VerdictsAnswer
	r.ask(t, http.MethodGet, "/api/v1/verdicts", "", http.StatusOK, &list)
	if len(list.Verdicts) != 1 || list.Verdicts[0].By != "alice" || list.Verdicts[0].ID != id {
		t.Errorf("after the restart: %+v", list.Verdicts)
	}
	after := r.changed()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, line := range after {
		if strings.Contains(line, `"state":"firing"`) {
			t.Errorf("told in spite of the suppression: %s", line)
		}
	}
	counts := r.pipeline.engine.Book().Counts()
	if counts.Suppressed[verdict.BySuppression] == 0 || counts.Given != [3]uint64{1, 0, 0} {
		t.Errorf("counts %+v: nothing was suppressed, the test tests nothing", counts)
	}

	again := testConfig(t, brokers, rbac)
	again.Kafka.Group, again.Verdicts = "repeated", cfg.Verdicts
	journal, err := os.ReadFile(filepath.Join(cfg.State.Dir, decisionsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(again.State.Dir, decisionsFile), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	repeated := start(t, again)
	repeated.await(t, uint64(len(values)))
	if err := repeated.stop(); err != nil {
		t.Fatal(err)
	}
	end := time.Unix(0, min(r.pipeline.engine.Windows().Stats().Watermark, repeated.pipeline.engine.Windows().Stats().Watermark))
	want, got := upTo(t, append(told, after...), end), upTo(t, repeated.changed(), end)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("repeated run gave %d changes, the first %d; first difference:\n%s", len(got), len(want), firstDifference(got, want))
	}
	if got := repeated.pipeline.engine.Book().Counts(); got != counts {
		t.Errorf("repeated counts %+v, want %+v", got, counts)
	}
}

// A journal that was folded comes to the same for every event that can still come.
func TestFoldingKeepsVerdicts(t *testing.T) {
	begin := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(step int) verdict.Instant { return verdict.At(begin.Add(time.Duration(step) * 3 * time.Hour)) }
	about := verdict.Told{Members: []verdict.Member{{Cluster: "0000000000000001", Z: 5}}}
	rapid.Check(t, func(t *rapid.T) {
		var list []decision
		whole, folded := verdict.New(time.Minute), verdict.New(time.Minute)
		n := rapid.IntRange(1, 30).Draw(t, "decisions")
		for i := range n {
			id := fmt.Sprint("a", rapid.IntRange(0, 3).Draw(t, "alert"))
			d := verdict.Decision{Number: uint64(i + 1), From: at(i)}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				d.Verdict = &verdict.Verdict{ID: id, Word: verdict.Expected, Until: at(i + rapid.IntRange(1, 20).Draw(t, "until")), About: about}
			case 1:
				d.Suppression = &verdict.Suppression{ID: verdict.SuppressionID(d.Number), Matchers: []string{`role="r"`}, Until: at(i + rapid.IntRange(1, 20).Draw(t, "until"))}
			case 2:
				d.Remove = rapid.SampledFrom([]string{id, verdict.SuppressionID(uint64(i))}).Draw(t, "remove")
			case 3:
				d.Maintenance = []verdict.Maintenance{{Name: fmt.Sprint(i), Matchers: []string{`role="r"`}, Times: []verdict.Interval{{Months: []string{"1"}}}}}
			}
			list = append(list, decision{From: d.From.Time(), Source: sourceVerdict, Verdict: &d})
		}
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		short := fold(list, at(cut).Time())
		for book, decided := range map[*verdict.Book][]decision{whole: list, folded: short} {
			if err := repeatVerdicts(book, decided); err != nil {
				t.Fatal(err)
			}
		}
		for step := cut; step < n+25; step++ {
			for _, b := range []*verdict.Book{whole, folded} {
				b.Advance(int64(at(step)), nothingLearned{}, false)
			}
			if got, want := inForce(folded), inForce(whole); !reflect.DeepEqual(got, want) {
				t.Fatalf("at step %d: %v, %v before folding", step, got, want)
			}
		}
		if a, _ := whole.Next(); a != uint64(n+1) {
			t.Fatalf("next number %d", a)
		}
		if a, _ := folded.Next(); a != uint64(n+1) {
			t.Fatalf("next number %d after folding", a)
		}
	})
}

// inForce is what a book does now.
func inForce(b *verdict.Book) (out []string) {
	for _, s := range slices.Concat(b.Verdicts(), b.Suppressions()) {
		if s.InForce && !s.Coming {
			out = append(out, fmt.Sprint(s.Number, s.Until))
		}
	}
	for _, w := range b.Maintenance() {
		out = append(out, w.Name)
	}
	return out
}

// nothingLearned is a baseline that nothing is done to.
type nothingLearned struct{}

func (nothingLearned) Exclude(string, fingerprint.ID, int64, int64) {}
func (nothingLearned) Accept(string, fingerprint.ID, int64)         {}
