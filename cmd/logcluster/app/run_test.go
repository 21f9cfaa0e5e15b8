package app

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What a tenant is called is the only difference between a replay and a run.
func replayAsTopic(o *ReplayOptions) { o.Tenant = testTopic }

func TestRunGivesWhatReplayGives(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	out, _ := replayBundled(t, replayAsTopic)
	brokers := broker(t, 3)
	publish(t, brokers, values)

	r := start(t, testConfig(t, brokers, rbac))
	r.await(t, uint64(len(values)))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	stats := r.pipeline.engine.Windows().Stats()
	if err := r.pipeline.totals.check(&stats); err != nil {
		t.Error(err)
	}
	end := time.Unix(0, stats.Watermark)
	want := upTo(t, strings.Split(strings.TrimSpace(out.String()), "\n"), end)
	got := upTo(t, r.changed(), end)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("run gave %d changes, replay %d; first difference:\n%s", len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(got, want []string) string {
	for i := range want {
		if i >= len(got) {
			return "missing " + want[i]
		}
		if got[i] != want[i] {
			return "got  " + got[i] + "\nwant " + want[i]
		}
	}
	return "more than wanted"
}

func TestStopAndStartGoesOn(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	brokers := broker(t, 3)
	cfg := testConfig(t, brokers, rbac)

	// An uninterrupted run is the oracle.
	oracle := start(t, testConfig(t, brokers, rbac))
	publish(t, brokers, values)
	oracle.await(t, uint64(len(values)))
	if err := oracle.stop(); err != nil {
		t.Fatal(err)
	}

	cfg.Kafka.Group = "interrupted"
	var changes []string
	for seen := uint64(0); seen < uint64(len(values)); {
		r := start(t, cfg)
		r.awaitSome(t, min(seen+uint64(len(values))/5, uint64(len(values))))
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		seen = r.pipeline.totals.Consumed
		changes = append(changes, r.changed()...)
	}
	r := start(t, cfg)
	r.await(t, uint64(len(values)))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := r.pipeline.totals, oracle.pipeline.totals; got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
	if got, want := r.pipeline.engine.Windows().Stats().Outcomes, oracle.pipeline.engine.Windows().Stats().Outcomes; got != want {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	end := time.Unix(0, min(oracle.pipeline.engine.Windows().Stats().Watermark, r.pipeline.engine.Windows().Stats().Watermark))
	got, want := upTo(t, append(changes, r.changed()...), end), upTo(t, oracle.changed(), end)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("interrupted run gave %d changes, the other %d; first difference:\n%s", len(got), len(want), firstDifference(got, want))
	}
}
