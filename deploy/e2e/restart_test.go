//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKillAndTerm plays the recording to two instances. One runs without
// interruption; the other is killed twice, and stopped once, at random moments.
// In the end both have counted and told the same. A second instance of the
// first's group is refused meanwhile, and the first does not notice.
func TestKillAndTerm(t *testing.T) {
	s := theStack(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	events, _ := bundled(t)
	name := unique("restart")
	topic := newTopic(t, s, name+"-audit", 3, nil)
	quick := []string{"--set", "state.interval=200ms", "--set", "kafka.poll_records=500"}
	oracle := newInstance(t, s, topic, name+"-oracle", freeAddress(t)).start(t, quick...)
	killed := newInstance(t, s, topic, name+"-killed", freeAddress(t))

	await := play(t, killed, events, 20*time.Second)
	refused := newInstance(t, s, topic, oracle.name, freeAddress(t)).launch(t, quick...)
	share := len(events) / 4
	for n, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		service := killed.start(t, quick...)
		at := float64(n*share + random.IntN(share))
		var consumed float64
		until(t, 60*time.Second, func() (bool, string) {
			consumed = service.metric(t, "logcluster_events_consumed_total")
			return consumed >= at, fmt.Sprintf("consumed %v of %v events", consumed, at)
		})
		t.Logf("%s after at least %v events", sig, consumed)
		service.end(t, sig)
	}
	survivor := killed.start(t, quick...)
	await()
	for _, service := range []*service{oracle, survivor} {
		service.awaitConsumed(t, len(events), 60*time.Second)
		service.identity(t)
	}
	t.Run("second instance", func(t *testing.T) { isRefused(t, refused) })
	t.Run("totals", func(t *testing.T) { sameTotals(t, survivor, oracle) })
	t.Run("Loki", func(t *testing.T) { sameLines(t, survivor, oracle) })
	t.Run("anomalies topic", func(t *testing.T) { sameRecords(t, survivor, oracle) })
	survivor.end(t, syscall.SIGTERM)
	oracle.end(t, syscall.SIGTERM)
}

// isRefused wants a process to have ended with an error that says why.
func isRefused(t *testing.T, s *service) {
	if code := s.exit(t, 20*time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	last := tail(s.stderr, 1)
	if !strings.Contains(last, "another living member") || !strings.Contains(last, s.name) {
		t.Errorf("the error does not say why: %s", last)
	}
	t.Log(last)
}

// sameTotals compares every counter of events, and where the stream is.
func sameTotals(t *testing.T, got, want *service) {
	compare := func(metric string, labels ...string) {
		t.Helper()
		if g, w := got.metric(t, metric, labels...), want.metric(t, metric, labels...); g != w {
			t.Errorf("%s %v is %v, without interruption %v", metric, labels, g, w)
		}
	}
	compare("logcluster_events_consumed_total")
	for _, outcome := range []string{"clustered", "overflow", "late_corrected", "late_dropped"} {
		compare("logcluster_events_total", "outcome", outcome)
	}
	compare("logcluster_events_rejected_total")
	compare("logcluster_events_filtered_total")
	for _, source := range []string{"rbac", "annotation", "mapping", "convention", "unknown"} {
		compare("logcluster_events_by_role_source_total", "source", source)
	}
	compare("logcluster_watermark_timestamp_seconds")
	compare("logcluster_baseline_retrain_age_seconds")
	compare("logcluster_clusters")
	compare("logcluster_anomalies_firing")
}

// sameLines wants both to have the same lines in Loki, changes and evaluations,
// to the byte and the nanosecond.
func sameLines(t *testing.T, got, want *service) {
	var texts [2][]string
	until(t, 30*time.Second, func() (bool, string) {
		for n, s := range []*service{got, want} {
			lines, err := s.stack.lines(fmt.Sprintf(`{job="logcluster", run=%q}`, s.name), time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			texts[n] = nil
			for _, l := range lines {
				texts[n] = append(texts[n], fmt.Sprint(l.at, l.labels["kind"], l.metadata["rank"], l.text))
			}
			slices.Sort(texts[n])
		}
		return len(texts[1]) > 0 && slices.Equal(texts[0], texts[1]), fmt.Sprintf("%d lines in Loki, without interruption %d; the first that differs:\n%s",
			len(texts[0]), len(texts[1]), firstDifference(texts[0], texts[1]))
	})
	t.Logf("%d lines in Loki, each once, the same as without interruption", len(texts[0]))
}

func firstDifference(got, want []string) string {
	for n := range max(len(got), len(want)) {
		switch {
		case n >= len(got):
			return "missing: " + want[n]
		case n >= len(want):
			return "too much: " + got[n]
		case got[n] != want[n]:
			return got[n] + "\n" + want[n]
		}
	}
	return "none"
}

// sameRecords wants the anomalies topics to hold the same. Delivery is at least
// once: repeats are allowed, and are the same bytes.
func sameRecords(t *testing.T, got, want *service) {
	distinct := func(s *service) (sorted []string, all int) {
		seen := map[string]bool{}
		for _, v := range values(readTopic(t, s.stack, s.anomalies())) {
			seen[string(v)] = true
			all++
		}
		return slices.Sorted(maps.Keys(seen)), all
	}
	g, all := distinct(got)
	w, _ := distinct(want)
	if len(w) == 0 || !slices.Equal(g, w) {
		t.Errorf("%d changes, without interruption %d; the first that differs:\n%s", len(g), len(w), firstDifference(g, w))
	}
	t.Logf("%d changes in the topic, the same as without interruption; %d are there more than once", len(g), all-len(g))
}

// TestBrokerOutage kills the broker twice while the recording is played and
// brings it back. The service waits for it the first time. The second time it is
// stopped meanwhile, when it has just something to tell: it is gone in time,
// though it can't deliver that, and tells it after a restart. Nothing is lost or
// counted twice.
func TestBrokerOutage(t *testing.T) {
	s := theStack(t)
	events, incidents := bundled(t)
	name := unique("broker")
	i := newInstance(t, s, newTopic(t, s, name+"-audit", 3, nil), name, freeAddress(t))
	service := i.start(t)
	await := play(t, i, events, 15*time.Second)
	t.Cleanup(func() { control(t, "start", "kafka") })
	alarming := len(cut(events, incidents["dev-01"].Start.Add(time.Minute))[0])
	for n, at := range []int{len(events) / 4, alarming} {
		until(t, 60*time.Second, func() (bool, string) {
			consumed := service.metric(t, "logcluster_events_consumed_total")
			return consumed > float64(at), fmt.Sprintf("consumed %v events", consumed)
		})
		control(t, "stop", "--kill", "kafka")
		if n == 1 {
			service.signal(t, syscall.SIGTERM)
			t.Logf("stopped without Kafka: %v, %s", service.err, tail(service.stderr, 1))
		}
		control(t, "start", "kafka")
	}
	service = i.start(t)
	await()
	service.awaitConsumed(t, len(events), 60*time.Second)
	service.identity(t)
	service.end(t, syscall.SIGTERM)
}
