//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// outage returns how long Loki and Alertmanager are away.
func outage(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv("LOGCLUSTER_E2E_OUTAGE"), "2m"))
	if err != nil || d < 20*time.Second {
		t.Fatalf("LOGCLUSTER_E2E_OUTAGE is to be at least 20s (%v)", err)
	}
	return d
}

// TestOutage takes Loki and Alertmanager away while the recording is played.
// The stream goes on meanwhile, and the service is even restarted; the first
// that is back is told at once, though the other is still away; and in the end
// nothing is missing and nothing is there twice. The play stops in the middle of
// an incident, so that something is firing when it is over.
func TestOutage(t *testing.T) {
	s, lasts := theStack(t), outage(t)
	events, incidents := bundled(t)
	in := incidents["dev-02"]
	events = cut(events, in.Start.Add(8*time.Minute))[0]
	name := unique("outage")
	i := newInstance(t, s, newTopic(t, s, name+"-audit", 3, nil), name, freeAddress(t))
	service := i.start(t)

	await := play(t, i, events, lasts-10*time.Second)
	until(t, 20*time.Second, func() (bool, string) {
		return service.metric(t, "logcluster_events_consumed_total") > 0, "nothing is consumed"
	})
	t.Cleanup(func() { control(t, "start", "loki", "alertmanager") })
	control(t, "stop", "loki", "alertmanager")
	away := time.Now()
	t.Logf("Loki and Alertmanager are away after %v events", service.metric(t, "logcluster_events_consumed_total"))
	i.check(t, 3)
	await()
	service.awaitConsumed(t, len(events), 20*time.Second)
	changes := streamWentOn(t, service, in)
	// What waits outlives the process, and does not hold up its end.
	service.end(t, syscall.SIGTERM)
	service = i.start(t)
	until(t, lasts, func() (bool, string) { return time.Since(away) >= lasts, "the outage" })

	control(t, "start", "alertmanager")
	t.Logf("Alertmanager is back after %s", time.Since(away).Round(time.Second))
	alertsAfterOutage(t, service, changes)
	if waits := service.metric(t, "logcluster_delivery_queue_entries", "sink", "loki"); waits < float64(len(changes)) {
		t.Errorf("%v lines wait for Loki, want at least %d", waits, len(changes))
	}
	control(t, "start", "loki")
	t.Logf("Loki is back after %s", time.Since(away).Round(time.Second))
	i.awaitLines(t, changes, 30*time.Second)
	everyLineOnce(t, service)
	i.check(t, 0)
	service.identity(t)
	service.end(t, syscall.SIGTERM)
}

// play publishes events as they were recorded, only faster: so that it takes
// the time given. The function that it returns waits for the end.
func play(t *testing.T, i *instance, events []event, takes time.Duration) (await func()) {
	t.Helper()
	path := write(t, "recording.jsonl", events)
	span := events[len(events)-1].at.Sub(events[0].at)
	speed := fmt.Sprintf("%dx", int(span/takes)+1)
	cmd := exec.Command(program(t), "produce", "--brokers", i.stack.kafka, "--topic", i.topic,
		"--speed", speed, "--rebase", "now", "--log-level", "warn", path)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	t.Logf("%s of the recording are played at %s", span.Round(time.Minute), speed)
	return func() {
		t.Helper()
		if err := <-ended; err != nil {
			t.Fatalf("produce: %v\n%s", err, out.String())
		}
		t.Logf("produce: %s", strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", "; "))
	}
}

// streamWentOn looks at the service while both sinks are away, and returns the
// changes that it has to tell.
func streamWentOn(t *testing.T, s *service, in incident) []alert.Alert {
	t.Helper()
	for _, sink := range []string{"loki", "alertmanager"} {
		failures := s.metric(t, "logcluster_delivery_failures_total", "sink", sink)
		waits := s.metric(t, "logcluster_delivery_queue_entries", "sink", sink)
		t.Logf("%s: %v requests failed, %v wait", sink, failures, waits)
		if failures == 0 || waits == 0 {
			t.Errorf("%s is away: %v failures, %v wait", sink, failures, waits)
		}
	}
	changes := s.changes(t)
	if !slices.ContainsFunc(slices.Collect(maps.Values(standing(changes))), func(a alert.Alert) bool { return names(&a, in.Actors[0]) }) {
		t.Errorf("%s is not firing after %d changes", in.ID, len(changes))
	}
	until(t, 10*time.Second, func() (bool, string) {
		n := len(readTopic(t, s.stack, s.anomalies()))
		return n == len(changes), fmt.Sprintf("%d changes in the anomalies topic, want %d", n, len(changes))
	})
	return changes
}

// standing are the alerts that are firing after all changes, by their id.
func standing(changes []alert.Alert) map[string]alert.Alert {
	firing := map[string]alert.Alert{}
	for _, a := range changes {
		if a.State == "firing" {
			firing[a.ID] = a
		} else {
			delete(firing, a.ID)
		}
	}
	return firing
}

// names reports whether a subject is among those of an alert.
func names(a *alert.Alert, subject string) bool {
	return slices.ContainsFunc(a.Subjects, func(s alert.Subject) bool { return s.Name == subject })
}

// alertsAfterOutage wants Alertmanager to show what is firing, and to list what
// came and went meanwhile in one alert.
func alertsAfterOutage(t *testing.T, s *service, changes []alert.Alert) {
	t.Helper()
	firing := map[string]bool{}
	for id := range standing(changes) {
		firing[id] = true
	}
	var missed *told
	took := until(t, 20*time.Second, func() (bool, string) {
		alerts, err := s.stack.alerts(s.topic)
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]bool{}
		for n := range alerts {
			if alerts[n].Labels["alertname"] == "LogclusterMissedWhileDown" {
				missed = &alerts[n]
			} else {
				shown[alerts[n].Annotations["id"]] = true
			}
		}
		return maps.Equal(shown, firing) && missed != nil, fmt.Sprintf("Alertmanager shows %v and %+v, firing are %v", shown, missed, firing)
	})
	listed := 0
	for _, a := range changes {
		if a.State == "resolved" {
			listed++
			if !strings.Contains(missed.Annotations["description"], a.Summary) {
				t.Errorf("came and went unseen and is not listed: %s\nlisted are:\n%s", a.Summary, missed.Annotations["description"])
			}
		}
	}
	t.Logf("Alertmanager shows the %d that are firing and lists the %d missed, %s after the wait began: %s",
		len(firing), listed, took.Round(time.Millisecond), missed.Annotations["summary"])
}

// everyLineOnce wants all lines of the instance in Loki to be different, and as
// many as were accepted.
func everyLineOnce(t *testing.T, s *service) {
	t.Helper()
	until(t, 20*time.Second, func() (bool, string) {
		waits := s.metric(t, "logcluster_delivery_queue_entries", "sink", "loki")
		return waits == 0, fmt.Sprintf("%v lines wait for Loki", waits)
	})
	lines, err := s.stack.lines(fmt.Sprintf(`{job="logcluster", run=%q}`, s.name), time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, l := range lines {
		a := parseAlerts(t, [][]byte{[]byte(l.text)})[0]
		times[fmt.Sprintf("%s of %s at %s", l.labels["kind"], a.ID, a.WindowEnd)]++
	}
	for _, about := range slices.Sorted(maps.Keys(times)) {
		if times[about] > 1 {
			t.Errorf("%d times in Loki: %s", times[about], about)
		}
	}
	sent := s.metric(t, "logcluster_delivery_sent_total", "sink", "loki")
	if sent == 0 {
		t.Error("nothing was sent")
	}
	dropped := s.metric(t, "logcluster_delivery_dropped_total", "sink", "loki")
	if dropped != 0 || sent < float64(len(times)) {
		t.Errorf("%v lines sent, %v dropped, %d in Loki", sent, dropped, len(times))
	}
	t.Logf("%d lines in Loki, changes and evaluations, each once; %v were accepted", len(lines), sent)
}
