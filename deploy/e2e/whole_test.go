//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// TestTheWholeWay publishes the bundled recording into Kafka and looks at what
// people would look at. The recording stops in the middle of each of two
// incidents, until Alertmanager shows it, and goes on: so that an alert can be
// seen firing and then resolved although hours pass in a second.
func TestTheWholeWay(t *testing.T) {
	s := theStack(t)
	events, incidents := bundled(t)
	name := unique("whole")
	i := newInstance(t, s, newTopic(t, s, name+"-audit", 3, nil), name, s.scraped())
	i.check(t, 0)
	service := i.start(t)

	order := []incident{incidents["dev-01"], incidents["dev-02"]}
	const into = 5 * time.Minute // an incident
	parts := cut(events, order[0].Start.Add(into), order[1].Start.Add(into))
	var files []string
	published := 0
	for n, part := range parts {
		files = append(files, write(t, fmt.Sprintf("part%d.jsonl", n), part))
		produce(t, i, "--speed", "max", files[n])
		published += len(part)
		service.awaitConsumed(t, published, time.Minute)
		if n > 0 {
			awaitResolved(t, i, order[n-1])
		}
		if n < len(order) {
			awaitFiring(t, i, order[n])
		}
		awaitScraped(t, service, published)
		if n == len(order)-1 {
			t.Run("dashboard", func(t *testing.T) { dashboardHasData(t, service) })
		}
	}

	changes := service.changes(t)
	t.Run("replay", func(t *testing.T) { sameAsReplay(t, service, files, changes) })
	t.Run("Loki", func(t *testing.T) { linesInLoki(t, i, order, changes) })
	t.Run("anomalies topic", func(t *testing.T) { recordsInTopic(t, i, changes) })
	t.Run("Prometheus", func(t *testing.T) { metricsInPrometheus(t, service, events, changes) })
	service.identity(t)
	service.end(t, syscall.SIGTERM)
}

// check runs the check of the configuration and wants an exit code.
func (i *instance) check(t *testing.T, want int) {
	t.Helper()
	began := time.Now()
	code, out := exitCode(t, "check", "--config", i.config)
	if code != want {
		t.Errorf("check: exit code %d, want %d:\n%s", code, want, out)
	}
	t.Logf("check: exit code %d after %s: %s", code, time.Since(began).Round(time.Millisecond), out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:])
}

// awaitFiring waits until Alertmanager shows an alert about an incident that
// goes on.
func awaitFiring(t *testing.T, i *instance, in incident) {
	t.Helper()
	var found *told
	took := until(t, 15*time.Second, func() (bool, string) {
		alerts, err := i.stack.alerts(i.topic)
		if err != nil {
			t.Fatal(err)
		}
		found = about(alerts, in.Actors[0])
		return found != nil, fmt.Sprintf("no alert in Alertmanager names %s: %+v", in.Actors[0], alerts)
	})
	t.Logf("Alertmanager shows %s firing %s after the wait began: %s", in.ID, took.Round(time.Millisecond), found.Annotations["summary"])
	if found.Status.State != "active" || !found.EndsAt.After(time.Now()) {
		t.Errorf("the alert about %s is %s and ends at %s", in.ID, found.Status.State, found.EndsAt)
	}
	if found.Labels["alertname"] != "LogclusterAnomaly" || found.Labels["cluster"] == "" || found.Labels["severity"] == "" ||
		!strings.Contains(found.Annotations["summary"], in.Actors[0]) || found.Annotations["logql"] == "" {
		t.Errorf("the alert about %s has labels %v and annotations %v", in.ID, found.Labels, found.Annotations)
	}
	if at := found.StartsAt; at.Before(in.Start.Add(-5*time.Minute)) || at.After(in.Start.Add(10*time.Minute)) {
		t.Errorf("the alert about %s starts at %s, the incident at %s", in.ID, at, in.Start)
	}
}

// awaitResolved waits until Alertmanager no longer shows an alert about an
// incident. It was said to last for 20 s more when it was last told to fire, so
// that it is gone earlier only if it was told that it is over.
func awaitResolved(t *testing.T, i *instance, in incident) {
	t.Helper()
	took := until(t, 15*time.Second, func() (bool, string) {
		alerts, err := i.stack.alerts(i.topic)
		if err != nil {
			t.Fatal(err)
		}
		found := about(alerts, in.Actors[0])
		return found == nil, fmt.Sprintf("Alertmanager still shows %+v", found)
	})
	t.Logf("Alertmanager shows %s resolved %s after the wait began", in.ID, took.Round(time.Millisecond))
}

// awaitScraped waits until Prometheus knows how many events were consumed.
func awaitScraped(t *testing.T, s *service, n int) {
	t.Helper()
	expr := fmt.Sprintf(`logcluster_events_consumed_total{instance=%q}`, s.listen)
	until(t, 15*time.Second, func() (bool, string) {
		v := s.stack.value(t, expr)
		return v == float64(n), fmt.Sprintf("Prometheus says that %s is %v, want %d", expr, v, n)
	})
}

// sameAsReplay holds what the service told, up to its watermark, against a
// replay of the same files.
func sameAsReplay(t *testing.T, s *service, files []string, changes []alert.Alert) {
	roles := strings.TrimSuffix(s.config, "logcluster.yaml") + "rbac.yaml"
	args := append([]string{"replay", "--rbac", roles, "--tenant", s.topic, "--output", "json", "--log-level", "warn"}, files...)
	out := run(t, args...)
	watermark := time.UnixMicro(int64(s.metric(t, "logcluster_watermark_timestamp_seconds") * 1e6))
	var want []string
	for _, a := range parseAlerts(t, slices.Collect(splitLines(out))) {
		if !a.WindowEnd.After(watermark) {
			displace(&a)
			want = append(want, encoded(t, &a))
		}
	}
	got := make([]string, len(changes))
	for n, a := range changes {
		for _, r := range a.Evidence {
			if r.Topic != s.topic || r.Partition == nil || r.Offset == nil {
				t.Errorf("evidence of %s is nowhere: %+v", a.ID, r)
			}
		}
		displace(&a)
		got[n] = encoded(t, &a)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the service told %d changes, a replay %d:\n%s\n\n%s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	t.Logf("%d changes, the same as in a replay", len(got))
}

// displace takes from the evidence where it is: in a topic and in a file that is
// not the same.
func displace(a *alert.Alert) {
	a.Evidence = slices.Clone(a.Evidence)
	for i := range a.Evidence {
		r := &a.Evidence[i]
		r.Topic, r.Partition, r.Offset = "", nil, nil
	}
}

func encoded(t *testing.T, a *alert.Alert) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// linesInLoki wants every change once, with its structured metadata, and both
// incidents among them.
func linesInLoki(t *testing.T, i *instance, incidents []incident, changes []alert.Alert) {
	found := i.awaitLines(t, changes, 20*time.Second)
	for _, l := range found {
		a := parseAlerts(t, [][]byte{[]byte(l.text)})[0]
		for name, want := range map[string]string{
			"id": a.ID, "state": a.State, "tenant": i.topic, "cluster": a.Cluster, "role": a.Role, "resource": a.Resource,
			"access": a.Access, "severity": a.Severity,
		} {
			if l.metadata[name] != want {
				t.Errorf("structured metadata %s is %q, want %q: %s", name, l.metadata[name], want, l.text)
			}
		}
		if l.labels["job"] != "logcluster" || l.labels["kind"] != "change" {
			t.Errorf("labels %v", l.labels)
		}
		if at := time.Unix(0, l.at); at.Sub(a.WindowEnd).Abs() > time.Millisecond {
			t.Errorf("the line of the window that ends at %s is at %s", a.WindowEnd, at)
		}
	}
	for _, in := range incidents {
		states := map[string]int{}
		for n := range changes {
			if names(&changes[n], in.Actors[0]) {
				states[changes[n].State]++
			}
		}
		if states["firing"] == 0 || states["firing"] != states["resolved"] {
			t.Errorf("changes that name the actor of %s: %v", in.ID, states)
		}
	}
}

// recordsInTopic wants every change in the anomalies topic, keyed by tenant.
func recordsInTopic(t *testing.T, i *instance, changes []alert.Alert) {
	records := readTopic(t, i.stack, i.anomalies())
	if len(records) != len(changes) {
		t.Fatalf("%d records, want %d", len(records), len(changes))
	}
	for n, a := range parseAlerts(t, values(records)) {
		if encoded(t, &a) != encoded(t, &changes[n]) || string(records[n].Key) != i.topic {
			t.Errorf("record %d with the key %s:\n%+v\nwant:\n%+v", n, records[n].Key, a, changes[n])
		}
	}
}

// metricsInPrometheus waits until Prometheus knows how it ended.
func metricsInPrometheus(t *testing.T, s *service, events []event, changes []alert.Alert) {
	fired := 0
	for _, a := range changes {
		if a.State == "firing" {
			fired++
		}
	}
	instance := fmt.Sprintf(`instance=%q`, s.listen)
	tenant := fmt.Sprintf(`%s, tenant=%q`, instance, s.topic)
	last := float64(events[len(events)-1].at.Unix())
	for _, c := range []struct {
		expr string
		low  float64
		high float64
	}{
		{`up{` + instance + `}`, 1, 1},
		{`logcluster_events_consumed_total{` + instance + `}`, float64(len(events)), float64(len(events))},
		{`logcluster_lag_records{` + instance + `}`, 0, 0},
		{`logcluster_watermark_timestamp_seconds{` + instance + `}`, last - 300, last - 20},
		{`logcluster_evaluations_total{` + tenant + `}`, 2500, 3000}, // 23 hours of half minutes
		{`logcluster_exceedances_total{` + tenant + `} / logcluster_clusters_evaluated_total{` + tenant + `}`, 0.0001, 0.05},
		{`logcluster_anomaly_changes_total{` + tenant + `, state="firing"}`, float64(fired), float64(fired)},
		{`logcluster_learning{` + tenant + `}`, 0, 0},
		{`sum(logcluster_delivery_dropped_total{` + instance + `})`, 0, 0},
		{`sum(logcluster_delivery_queue_entries{` + instance + `})`, 0, 0},
		{`sum(logcluster_events_rejected_total{` + instance + `})`, 0, 0},
		{`sum(logcluster_events_total{` + instance + `, outcome=~"late.*|overflow"})`, 0, 0},
		{
			`sum(logcluster_events_consumed_total{` + instance + `}) - sum(logcluster_events_total{` + instance + `})` +
				` - sum(logcluster_events_rejected_total{` + instance + `}) - sum(logcluster_events_filtered_total{` + instance + `})`, 0, 0,
		},
	} {
		var v float64
		until(t, 15*time.Second, func() (bool, string) {
			v = s.stack.value(t, c.expr)
			return v >= c.low && v <= c.high, fmt.Sprintf("%s is %v, want %v to %v", c.expr, v, c.low, c.high)
		})
		t.Logf("%s is %v", c.expr, v)
	}
}
