package loki

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/alert/delivery"
	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f with a started sink and a fake Loki, and stops both.
func bubble(t *testing.T, change func(*Config, *fakeLoki), f func(s *Sink, loki *fakeLoki, reg *prometheus.Registry)) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		cfg, loki := testConfig(), &fakeLoki{}
		if change != nil {
			change(&cfg, loki)
		}
		defer network.Serve("loki", loki)()
		s, reg := startSink(t, cfg, &network, nil)
		start(t, s)
		f(s, loki, reg)
		stop(t, s)
	})
}

func start(t *testing.T, s *Sink) {
	t.Helper()
	if err := services.StartAndAwaitRunning(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, s *Sink) {
	t.Helper()
	if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

func TestLinesArrive(t *testing.T) {
	bubble(t, func(cfg *Config, _ *fakeLoki) {
		cfg.OrgID = "org"
		cfg.Labels = map[string]string{"region": `e"u`}
	}, func(s *Sink, loki *fakeLoki, _ *prometheus.Registry) {
		a := testAlert(0)
		a.APIGroup, a.Tenant = "", `te"nant`
		s.Put(Change, a)
		synctest.Wait()
		got := loki.visible()
		want := stored{
			at:     a.WindowEnd.UnixNano() + 1,
			labels: `{job="logcluster", kind="change", region="e\"u"}`,
			line:   got[0].line,
			meta:   `[{id id-000} {state firing} {cluster 000000000000feed} {role ClusterRole/x} {resource secrets} {access read} {severity warning} {rank 1} {tenant te"nant}]`,
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if org := loki.headers[0].Get("X-Scope-OrgID"); org != "org" {
			t.Errorf("X-Scope-OrgID: %q", org)
		}
	})
}

func TestTenantAsLabel(t *testing.T) {
	cfg := testConfig()
	cfg.TenantLabel = true
	a := testAlert(0)
	e, err := cfg.entry(Evaluation, &a)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{job="logcluster", kind="evaluation", tenant="audit"}`; e.Labels != want || slices.Contains(e.Metadata, "tenant") {
		t.Errorf("labels %s, metadata %v", e.Labels, e.Metadata)
	}
}

func TestTimestampKeepsOrder(t *testing.T) {
	a := testAlert(0)
	var last int64
	for _, step := range []struct {
		kind Kind
		rank int
	}{{Change, 1}, {Change, 2}, {Change, 500}, {Change, 0}, {Evaluation, 1}, {Evaluation, 2}, {Evaluation, 0}} {
		a.Rank = step.rank
		at := timestamp(step.kind, &a)
		if at <= last || at-a.WindowEnd.UnixNano() > int64(time.Millisecond) {
			t.Errorf("%s, rank %d: %d ns after the window", step.kind, step.rank, at-a.WindowEnd.UnixNano())
		}
		last = at
	}
}

func TestFaults(t *testing.T) {
	for name, f := range map[string]fault{
		"rate limited": rateLimited, "server error": serverError, "cut before": cutBefore,
		"cut after": cutAfter, "slow": slowAndStored,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(_ *Config, loki *fakeLoki) { loki.faults = []fault{f, f, f} },
				func(s *Sink, loki *fakeLoki, reg *prometheus.Registry) {
					s.Put(Change, testAlerts(0, 10)...)
					time.Sleep(5 * time.Minute)
					checkIDs(t, loki.ids(), wantIDs(0, 10))
					if n := failures(t, reg); n != 3 {
						t.Errorf("%v failures were counted, want 3", n)
					}
				})
		})
	}
}

func failures(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	return sum(t, reg, "logcluster_delivery_failures_total", "")
}

func dropped(t *testing.T, reg *prometheus.Registry, why delivery.Dropped) float64 {
	t.Helper()
	return sum(t, reg, "logcluster_delivery_dropped_total", string(why))
}

// sum adds the counters of a family whose label reason is this, or all of them.
func sum(t *testing.T, reg *prometheus.Registry, name, reason string) (total float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "reason" && (reason == "" || l.GetValue() == reason) {
					total += m.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}

func TestAbsentForTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		loki := &fakeLoki{}
		s, reg := startSink(t, testConfig(), &network, nil)
		start(t, s)
		for i := range 4 {
			s.Put(Change, testAlert(i))
			time.Sleep(30 * time.Second)
		}
		if n, age := s.queue.Len(), s.queue.OldestAge(); n != 4 || age != 2*time.Minute {
			t.Errorf("%d lines wait, the oldest for %v", n, age)
		}
		if n, err := testutil.GatherAndCount(reg, "logcluster_delivery_queue_entries", "logcluster_delivery_oldest_pending_age_seconds"); n != 2 || err != nil {
			t.Errorf("%d gauges, %v", n, err)
		}
		stopLoki := network.Serve("loki", loki)
		defer stopLoki()
		time.Sleep(30 * time.Second)
		checkIDs(t, loki.ids(), wantIDs(0, 4))
		stop(t, s)
	})
}

func TestTooLargeIsSplit(t *testing.T) {
	bubble(t, func(_ *Config, loki *fakeLoki) { loki.limit = 1000 },
		func(s *Sink, loki *fakeLoki, reg *prometheus.Registry) {
			alerts := testAlerts(0, 100)
			alerts[50].Summary = incompressible(2000)
			s.Put(Change, alerts...)
			time.Sleep(time.Minute)
			checkIDs(t, loki.ids(), append(wantIDs(0, 50), wantIDs(51, 100)...))
			if n := dropped(t, reg, delivery.TooLargeAlone); n != 1 {
				t.Errorf("%v dropped as too large, want 1", n)
			}
		})
}

func incompressible(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&b, "%08x", x)
	}
	return b.String()
}

func TestRefusedIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		loki := &fakeLoki{refuse: "id-003"}
		defer network.Serve("loki", loki)()
		var dead []Entry
		var why error
		s, reg := startSink(t, testConfig(), &network, func(entries []Entry, reason error) {
			dead, why = append(dead, entries...), reason
		})
		s.Put(Change, testAlerts(0, 5)...)
		start(t, s)
		synctest.Wait()
		s.Put(Change, testAlerts(5, 8)...)
		time.Sleep(10 * time.Minute)
		checkIDs(t, loki.ids(), append(wantIDs(0, 3), wantIDs(4, 8)...))
		if loki.count() != 2 {
			t.Errorf("%d requests, want 2", loki.count())
		}
		if len(dead) != 5 || why == nil || !strings.Contains(why.Error(), "too old") {
			t.Errorf("%d dead letters, %v", len(dead), why)
		}
		if n := dropped(t, reg, delivery.RefusedByPeer); n != 5 {
			t.Errorf("%v dropped as refused, want 5", n)
		}
		stop(t, s)
	})
}

func TestFullQueueDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		cfg := testConfig()
		cfg.QueueEntries, cfg.DrainTimeout = 10, 0
		s, reg := startSink(t, cfg, &network, nil)
		start(t, s)
		s.Put(Change, testAlerts(0, 10)...)
		synctest.Wait() // ten are in a request that fails
		s.Put(Change, testAlerts(10, 14)...)
		if n := dropped(t, reg, delivery.QueueFull); n != 4 {
			t.Errorf("%v dropped, want 4", n)
		}
		loki := &fakeLoki{}
		defer network.Serve("loki", loki)()
		time.Sleep(time.Minute)
		checkIDs(t, loki.ids(), wantIDs(4, 14))
		stop(t, s)
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	cfg := testConfig()
	a := testAlert(0)
	e, err := cfg.entry(Change, &a)
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(1000, 5*e.size(), time.Now)
	droppedNow := 0
	for range 12 {
		droppedNow += q.add(e)
	}
	if q.Len() != 5 || droppedNow != 7 {
		t.Errorf("%d wait, %d dropped", q.Len(), droppedNow)
	}
	large := Entry{Line: strings.Repeat("x", 6*e.size())}
	if n := q.add(large); n != 6 || q.Len() != 0 || q.bytes != 0 {
		t.Errorf("one that is larger than the bound: %d dropped, %d wait, %d bytes", n, q.Len(), q.bytes)
	}
}

// TestDropsDuringARequest: what is dropped while it is being sent must not take
// what came after it along when the request is acknowledged.
func TestDropsDuringARequest(t *testing.T) {
	q := newQueue(3, 1<<20, time.Now)
	for i := range 3 {
		q.add(Entry{Time: int64(i)})
	}
	_, through := q.head(2, 1<<20)
	for i := 3; i < 6; i++ {
		q.add(Entry{Time: int64(i)})
	}
	q.done(through)
	if batch, _ := q.head(10, 1<<20); len(batch) != 3 || batch[0].Time != 3 {
		t.Errorf("waiting: %+v", batch)
	}
}

func TestStopDrains(t *testing.T) {
	bubble(t, func(_ *Config, loki *fakeLoki) { loki.faults = []fault{serverError, cutAfter} },
		func(s *Sink, loki *fakeLoki, _ *prometheus.Registry) {
			s.Put(Change, testAlerts(0, 5)...)
			stop(t, s)
			checkIDs(t, loki.ids(), wantIDs(0, 5))
		})
}

func TestStopGivesUpAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		s, _ := startSink(t, testConfig(), &network, nil)
		start(t, s)
		s.Put(Change, testAlerts(0, 5)...)
		began := time.Now()
		stop(t, s)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if n := len(s.Snapshot().Undelivered); n != 5 {
			t.Errorf("%d undelivered in the snapshot, want 5", n)
		}
	})
}

// TestNothingMissingWhateverFails: each line arrives at least once and in
// order, repeats are the same bytes, and that across a kill that loses
// everything since the last snapshot, after which the lines since then are put
// again.
func TestNothingMissingWhateverFails(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.Map(rapid.IntRange(1, int(numFaults)-1), func(i int) fault { return fault(i) }), 0, 12).Draw(rt, "faults")
		puts := rapid.SliceOfN(rapid.IntRange(1, 20), 1, 6).Draw(rt, "puts")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 40), len(puts), len(puts)).Draw(rt, "seconds between")
		snapshotAfter := rapid.IntRange(0, len(puts)).Draw(rt, "snapshot after put")
		killAfter := rapid.IntRange(snapshotAfter, len(puts)).Draw(rt, "kill after put")
		batch := rapid.IntRange(1, 30).Draw(rt, "batch")
		limit := rapid.SampledFrom([]int{0, 1500, 4000}).Draw(rt, "limit")

		var got []string
		total := 0
		for _, n := range puts {
			total += n
		}
		synctest.Test(t, func(t *testing.T) {
			var network pipenet.Network
			cfg := testConfig()
			cfg.BatchEntries, cfg.DrainTimeout = batch, 0
			loki := &fakeLoki{faults: faults, limit: limit}
			defer network.Serve("loki", loki)()
			s, _ := startSink(t, cfg, &network, nil)
			start(t, s)
			var saved State
			next, savedAt := 0, 0
			for i, n := range puts {
				if i == snapshotAfter {
					saved, savedAt = s.Snapshot(), next
				}
				if i == killAfter {
					stop(t, s) // without draining: a kill, as far as Loki sees
					s, _ = startSink(t, cfg, &network, nil)
					s.Restore(saved)
					start(t, s)
					next = savedAt // derived again from the input
					n += sumOf(puts[snapshotAfter:i])
				}
				s.Put(Change, testAlerts(next, next+n)...)
				next += n
				time.Sleep(time.Duration(pauses[i]) * time.Second)
			}
			time.Sleep(time.Hour)
			got = loki.ids()
			stop(t, s)
		})
		if !slices.Equal(got, wantIDs(0, total)) {
			rt.Fatalf("lines in Loki: %v, want each of %d once, in order", got, total)
		}
	})
}

func sumOf(ns []int) (total int) {
	for _, n := range ns {
		total += n
	}
	return total
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			ready, push int
			wantErrs    string // which of the two steps fail
		}{
			"works":          {200, 422, "ok ok"},
			"works, old":     {200, 204, "ok ok"},
			"a gateway":      {404, 400, "ok ok"},
			"starting":       {503, 500, "error error"},
			"no permission":  {200, 401, "ok error"},
			"not even there": {0, 0, "error error"},
		} {
			var network pipenet.Network
			if tc.ready != 0 {
				stopServer := network.Serve("loki", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					status := tc.ready
					if r.URL.Path == "/loki/api/v1/push" {
						status = tc.push
					}
					w.WriteHeader(status)
					if status != 204 {
						_, _ = io.WriteString(w, "some \x1b words")
					}
				}))
				defer stopServer()
			}
			s, _ := startSink(t, testConfig(), &network, nil)
			var outcomes []string
			for _, c := range s.Check(t.Context()) {
				if c.Err != nil {
					outcomes = append(outcomes, "error")
				} else {
					outcomes = append(outcomes, "ok")
				}
				if strings.Contains(c.Detail, "\x1b") {
					t.Errorf("%s: detail %q", name, c.Detail)
				}
			}
			if got := strings.Join(outcomes, " "); got != tc.wantErrs {
				t.Errorf("%s: %s, want %s", name, got, tc.wantErrs)
			}
		}
	})
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	bad := Config{URL: "loki:3100", Labels: map[string]string{"job": "x", "a-b": "c", "d": ""}, DrainTimeout: -1}
	const want = `url: "loki:3100" does not begin with http:// or https://
labels: "a-b" is not a label name
labels.d: is empty
labels: "job" is set by logcluster
queue_entries: 0 is not positive
queue_bytes: 0 is not positive
batch_entries: 0 is not positive
batch_bytes: 0 is not positive
drain_timeout: -1ns is negative
min_backoff: 0s is not positive, or more than max_backoff (0s)
timeout: 0s is not positive`
	if err := bad.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := New(DefaultConfig(), nil, nil, nil, nil); err == nil {
		t.Error("a sink without a URL was made")
	}
}
