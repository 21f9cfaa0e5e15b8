package alertmanager

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery"
	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f with a started sink for one fake Alertmanager, and stops both.
func bubble(t *testing.T, change func(*Config, *fakeAlertmanager), f func(s *Sink, am *fakeAlertmanager, reg *prometheus.Registry)) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		cfg, am := testConfig("am"), &fakeAlertmanager{}
		if change != nil {
			change(&cfg, am)
		}
		defer network.Serve("am", am)()
		s, reg := newTestSink(t, cfg, &network)
		start(t, s)
		f(s, am, reg)
		stop(t, s)
	})
}

// settle lets time pass and then everything come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatIsSent(t *testing.T) {
	bubble(t, func(c *Config, _ *fakeAlertmanager) {
		c.ExternalLabels = map[string]string{"region": "eu"}
		c.PageURL = "http://logcluster:8080/"
	}, func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
		a := firing("secrets")
		s.Put(a)
		synctest.Wait()
		got := am.last("secrets")
		wantLabels := map[string]string{
			"alertname": "LogclusterAnomaly", "tenant": "audit", "role": "ClusterRole/x", "resource": "secrets",
			"access": "read", "severity": "critical", "cluster": "0000000000000007", "region": "eu",
		}
		wantAnnotations := map[string]string{
			"summary":       "alice { { .x } } reads secrets",
			"description":   "events: 124, expected 0 (95 % within 0 to 2), z +11.3",
			"subjects":      "alice { { .x } } (96 %)",
			"parts":         "Role/y: write pods, z +4.0",
			"logql":         `{job="x"}`,
			"logql_history": `{job="logcluster"} | id="id-secrets"`,
			"z":             "11.3",
			"rank":          "2",
			"id":            "id-secrets",
		}
		checkMap(t, "labels", got.Labels, wantLabels)
		checkMap(t, "annotations", got.Annotations, wantAnnotations)
		if !got.StartsAt.Equal(a.StartedAt) || time.Until(got.EndsAt) != 4*time.Minute {
			t.Errorf("from %v to %v", got.StartsAt, got.EndsAt)
		}
		if want := "http://logcluster:8080/#0000000000000007"; got.GeneratorURL != want {
			t.Errorf("link %s, want %s", got.GeneratorURL, want)
		}
	})
}

func checkMap(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s is %q, want %q", what, k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d of them, want %d: %v", what, len(got), len(want), got)
	}
}

func TestLifeOfAnAlert(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, reg *prometheus.Registry) {
		a := firing("secrets")
		s.Put(a)
		synctest.Wait()
		checkFiring(t, am, "secrets")

		// It goes on for half an hour, with an update every 30 s.
		for range 60 {
			settle(30 * time.Second)
			a.Z++
			a.WindowEnd = time.Now()
			s.Put(a)
			checkFiring(t, am, "secrets")
		}
		synctest.Wait()
		if am.count() < 30 || am.count() > 32 {
			t.Errorf("%d requests in 30 minutes, want one a minute", am.count())
		}
		if z := am.last("secrets").Annotations["z"]; z != "71.3" && z != "70.3" {
			t.Errorf("the annotations are not those of now: z %s", z)
		}

		s.Put(resolved(a))
		synctest.Wait()
		checkFiring(t, am)
		before := am.count()
		settle(time.Hour)
		if n := am.count() - before; n != 15 {
			t.Errorf("resolved was sent %d times more, want 15", n)
		}
		first := keyOf(am.stored()[0].Labels)
		for _, p := range am.stored() {
			if keyOf(p.Labels) != first {
				t.Errorf("the labels changed: %v", p.Labels)
			}
		}
		s.table.mu.Lock()
		if len(s.table.items) != 0 || len(s.replicas[0].ledger) != 0 {
			t.Errorf("%d items and %d receipts are kept", len(s.table.items), len(s.replicas[0].ledger))
		}
		s.table.mu.Unlock()
		if n := failures(t, reg); n != 0 {
			t.Errorf("%v failures were counted", n)
		}
	})
}

func failures(t *testing.T, reg *prometheus.Registry) float64 {
	return sum(t, reg, "logcluster_delivery_failures_total", "")
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

func TestFiresAgain(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
		first := firing("secrets")
		s.Put(first)
		settle(time.Minute)
		s.Put(resolved(first))
		settle(5 * time.Minute)
		second := firing("secrets")
		second.ID = "second"
		s.Put(second)
		synctest.Wait()
		checkFiring(t, am, "secrets")
		s.Put(resolved(first)) // late, and about the one before
		settle(time.Hour)
		checkFiring(t, am, "secrets")
		s.Put(resolved(second))
		synctest.Wait()
		checkFiring(t, am)
	})
}

func TestPendingIsNotSent(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
		a := firing("secrets")
		a.State = "pending"
		s.Put(a)
		settle(time.Hour)
		if am.count() != 0 {
			t.Errorf("%d requests", am.count())
		}
	})
}

func TestOutageIsNotAResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		am := &fakeAlertmanager{}
		s, _ := newTestSink(t, testConfig("am"), &network)
		start(t, s)
		a, b := firing("secrets"), firing("pods")
		s.Put(a, b)
		settle(time.Hour)
		if n, age := s.replicas[0].Len(), s.replicas[0].OldestAge(); n != 2 || age != time.Hour {
			t.Errorf("%d wait, the oldest for %v", n, age)
		}
		s.Put(resolved(b))
		stopServer := network.Serve("am", am)
		settle(time.Minute)
		checkFiring(t, am, "missed", "secrets")

		stopServer() // again, for longer than the alert lives unattended
		settle(time.Hour)
		defer network.Serve("am", am)()
		settle(time.Minute)
		checkFiring(t, am, "secrets")
		for _, p := range am.stored() {
			if nameOf(p) == "secrets" && p.EndsAt.Sub(p.StartsAt) < 4*time.Minute {
				t.Errorf("was resolved: %+v", p)
			}
		}
		stop(t, s)
	})
}

func TestReplicasAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
			<-r.Context().Done()
		})
		healthy, late := &fakeAlertmanager{}, &fakeAlertmanager{}
		defer network.Serve("healthy", healthy)()
		stopHanging := network.Serve("hanging", hang)
		s, _ := newTestSink(t, testConfig("healthy", "hanging", "absent"), &network)
		start(t, s)
		s.Put(firing("secrets"))
		synctest.Wait()
		checkFiring(t, healthy, "secrets")
		for range 30 {
			settle(time.Minute)
			checkFiring(t, healthy, "secrets")
		}
		gone := firing("pods")
		s.Put(gone)
		settle(time.Minute)
		s.Put(resolved(gone))
		settle(5 * time.Minute)
		stopHanging()
		defer network.Serve("hanging", late)()
		settle(time.Minute)
		// It learns what is true, not the history; and nothing was missed, as
		// another one was there.
		checkFiring(t, late, "secrets")
		if !slices.Equal(late.notifications(), []string{"secrets"}) {
			t.Errorf("the late one notified %v", late.notifications())
		}
		began := time.Now()
		stop(t, s)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

func TestOneBadAlert(t *testing.T) {
	bubble(t, func(_ *Config, am *fakeAlertmanager) { am.refuse = "bad" },
		func(s *Sink, am *fakeAlertmanager, reg *prometheus.Registry) {
			s.Put(firing("secrets"), firing("bad"), firing("pods"))
			settle(30 * time.Second)
			checkFiring(t, am, "pods", "secrets")
			if am.count() != 4 {
				t.Errorf("%d requests, want one together and three one by one", am.count())
			}
			settle(10 * time.Minute)
			if n := am.count() - 4; n < 9 || n > 11 {
				t.Errorf("%d requests in 10 minutes afterwards, want one a minute", n)
			}
			checkFiring(t, am, "pods", "secrets")
			if n := sum(t, reg, "logcluster_delivery_dropped_total", string(delivery.RefusedByPeer)); n != 1 {
				t.Errorf("%v were counted as refused, want 1", n)
			}
		})
}

func TestBound(t *testing.T) {
	bubble(t, func(c *Config, _ *fakeAlertmanager) { c.MaxActive = 3 },
		func(s *Sink, am *fakeAlertmanager, reg *prometheus.Registry) {
			alerts := []alert.Alert{firing("a"), firing("bb"), firing("ccc"), firing("dddd")}
			s.Put(alerts...)
			synctest.Wait()
			checkFiring(t, am, "a", "bb", "ccc")
			if n := sum(t, reg, "logcluster_delivery_dropped_total", string(delivery.QueueFull)); n != 1 {
				t.Errorf("%v were dropped, want 1", n)
			}
			s.Put(resolved(alerts[0]))
			synctest.Wait()
			s.Put(alerts[3]) // takes the place of what is over
			synctest.Wait()
			checkFiring(t, am, "bb", "ccc", "dddd")
		})
}

func TestClockBehindTheAlert(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
		a := older(firing("secrets"), -10*time.Minute)
		s.Put(a)
		synctest.Wait()
		checkFiring(t, am, "secrets")
		over := resolved(a)
		later := time.Now().Add(time.Hour)
		over.ResolvedAt = &later
		s.Put(over)
		synctest.Wait()
		checkFiring(t, am)
	})
}

func TestTooOldIsListedAsMissed(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, reg *prometheus.Registry) {
		old := older(firing("secrets"), 3*time.Hour)
		other := older(firing("pods"), 2*time.Hour)
		for range 10 { // as each evaluation puts them again
			s.Put(old, other)
			settle(30 * time.Second)
		}
		checkFiring(t, am, "missed")
		missed := am.last("missed")
		if d := missed.Annotations["description"]; d != "- alice { { .x } } reads secrets\n- alice { { .x } } reads pods" {
			t.Errorf("listed: %s", d)
		}
		if missed.Labels["tenant"] != "audit" || missed.Labels["severity"] != "warning" {
			t.Errorf("labels: %v", missed.Labels)
		}
		if n := sum(t, reg, "logcluster_delivery_dropped_total", string(delivery.TooOld)); n != 2 {
			t.Errorf("%v were counted as too old, want 2", n)
		}
		s.Put(resolved(old))
		// It caught up, and the other one goes on.
		s.Put(firing("pods"))
		settle(time.Minute)
		checkFiring(t, am, "missed", "pods")
		settle(time.Hour)
		checkFiring(t, am, "pods")
	})
}

func TestMissedListIsBounded(t *testing.T) {
	bubble(t, nil, func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
		for i := range 2000 {
			a := older(firing("secrets"), 3*time.Hour)
			a.ID = fmt.Sprint(i)
			s.Put(a)
		}
		synctest.Wait()
		missed := am.last("missed")
		if !strings.HasPrefix(missed.Annotations["summary"], "at least 1000 anomalies of tenant audit") {
			t.Errorf("summary: %s", missed.Annotations["summary"])
		}
		if lines := strings.Split(missed.Annotations["description"], "\n"); len(lines) != 21 {
			t.Errorf("%d lines are listed", len(lines))
		}
	})
}

func TestNoLimitOfAge(t *testing.T) {
	bubble(t, func(c *Config, _ *fakeAlertmanager) { c.MaxAge = 0 },
		func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
			s.Put(older(firing("secrets"), 1000*time.Hour))
			synctest.Wait()
			checkFiring(t, am, "secrets")
		})
}

func TestStopDrainsAndDoesNotResolve(t *testing.T) {
	bubble(t, func(_ *Config, am *fakeAlertmanager) { am.faults = []fault{serverError, cutAfter} },
		func(s *Sink, am *fakeAlertmanager, _ *prometheus.Registry) {
			a := firing("pods")
			s.Put(firing("secrets"), a, resolved(a))
			stop(t, s)
			checkFiring(t, am, "secrets")
			if am.last("pods").EndsAt.After(time.Now()) {
				t.Error("the resolved one was not delivered")
			}
		})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		serve := func(status int, body string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				if r.Method == http.MethodGet {
					_, _ = io.WriteString(w, body)
				}
			})
		}
		defer network.Serve("good", serve(200, `{"cluster":{"status":"ready"},"versionInfo":{"version":"0.31.0"}}`))()
		defer network.Serve("other", serve(200, `<html>hello</html>`))()
		defer network.Serve("closed", serve(401, ``))()
		s, _ := newTestSink(t, testConfig("good", "other", "closed", "absent"), &network)
		var got []string
		for _, c := range s.Check(t.Context()) {
			got = append(got, fmt.Sprintf("%s: %s: %s: %t", c.Target, c.Step, c.Detail, c.Err == nil))
		}
		want := []string{
			"http://good: ask for its status: Alertmanager 0.31.0, cluster ready: true",
			"http://good: post an empty list of alerts: : true",
			"http://other: ask for its status: : false",
			"http://other: post an empty list of alerts: : true",
			"http://closed: ask for its status: : false",
			"http://closed: post an empty list of alerts: : false",
			"http://absent: ask for its status: : false",
			"http://absent: post an empty list of alerts: : false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	bad := Config{
		URLs:           []string{"http://am", "am", "http://am"},
		ExternalLabels: map[string]string{"a-b": "c", "cluster": "x", "d": ""},
		PageURL:        "page",
		MaxAge:         -1,
	}
	const want = `urls[1]: "am" does not begin with http:// or https://
urls[2]: "http://am" is there twice
external_labels: "a-b" is not a label name
external_labels: "cluster" is a label of the alert itself
external_labels.d: is empty or not UTF-8
page_url: "page" does not begin with http:// or https://
max_active: 0 is not positive
resend_interval: 0s is not positive
resolved_retention: 0s is not positive
max_age: -1ns is negative
min_backoff: 0s is not positive, or more than max_backoff (0s)
timeout: 0s is not positive`
	if err := bad.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLinkTo(t *testing.T) {
	for page, want := range map[string]string{
		"": "", "http://x:1": "http://x:1/#c", "http://x:1/": "http://x:1/#c", "https://x/a/page": "https://x/a/page#c",
	} {
		if got := linkTo(page, "c"); got != want {
			t.Errorf("%q: got %q, want %q", page, got, want)
		}
	}
}

func TestUnbrace(t *testing.T) {
	for in, want := range map[string]string{
		"{{x}}": "{ {x} }", "{{{{": "{ { { {", "}}}": "} } }", "{ { }": "{ { }", "": "",
	} {
		if got := unbrace(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
