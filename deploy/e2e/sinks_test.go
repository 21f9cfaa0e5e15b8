//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// line is one line in Loki.
type line struct {
	at       int64 // Unix nanoseconds
	text     string
	labels   map[string]string // of the stream
	metadata map[string]string // structured
}

// lines asks Loki for the lines of a query between two times, oldest first.
func (s *stack) lines(query string, from, to time.Time) ([]line, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][]json.RawMessage
			}
		}
	}
	err := getJSON(s.loki, "/loki/api/v1/query_range", url.Values{
		"query": {query}, "direction": {"forward"}, "limit": {"5000"},
		"start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
	}, &answer, "X-Loki-Response-Encoding-Flags", "categorize-labels")
	if err != nil {
		return nil, err
	}
	var out []line
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			l := line{labels: stream.Stream}
			var at string
			var attached struct{ StructuredMetadata map[string]string }
			for i, into := range []any{&at, &l.text, &attached} {
				if i >= len(v) {
					break
				}
				if err := json.Unmarshal(v[i], into); err != nil {
					return nil, fmt.Errorf("read answer to %s: %w", query, err)
				}
			}
			l.metadata = attached.StructuredMetadata
			if l.at, err = strconv.ParseInt(at, 10, 64); err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	return out, nil
}

// changeLines asks Loki for the lines about changes of an instance.
func (i *instance) changeLines(t *testing.T) []line {
	t.Helper()
	lines, err := i.stack.lines(fmt.Sprintf(`{job="logcluster", kind="change", run=%q}`, i.name), time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// changeKey tells changes apart.
func changeKey(a *alert.Alert) string { return a.ID + " " + a.State }

// awaitLines waits until Loki has every change exactly once and nothing else,
// and returns the lines by what they are about.
func (i *instance) awaitLines(t *testing.T, want []alert.Alert, limit time.Duration) map[string]line {
	t.Helper()
	var found map[string]line
	took := until(t, limit, func() (bool, string) {
		lines := i.changeLines(t)
		found = map[string]line{}
		for _, l := range lines {
			a := parseAlerts(t, [][]byte{[]byte(l.text)})[0]
			if twice, ok := found[changeKey(&a)]; ok {
				t.Fatalf("twice in Loki:\n%s\n%s", twice.text, l.text)
			}
			found[changeKey(&a)] = l
		}
		return len(found) == len(want), fmt.Sprintf("%d changes in Loki, want %d", len(found), len(want))
	})
	for n := range want {
		l, ok := found[changeKey(&want[n])]
		if !ok {
			t.Errorf("not in Loki: %+v", want[n])
			continue
		}
		if got := parseAlerts(t, [][]byte{[]byte(l.text)})[0]; !reflect.DeepEqual(got, want[n]) {
			t.Errorf("in Loki:\n%+v\nwant:\n%+v", got, want[n])
		}
	}
	t.Logf("Loki has all %d changes of %s, each once, %s after the wait began", len(want), i.name, took.Round(time.Millisecond))
	return found
}

// told is an alert as Alertmanager's API shows it.
type told struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	Status              struct{ State string }
}

// alerts asks Alertmanager for what is active of a tenant.
func (s *stack) alerts(tenant string) ([]told, error) {
	var answer []told
	err := getJSON(s.alertmanager, "/api/v2/alerts", url.Values{"filter": {"tenant=" + strconv.Quote(tenant)}}, &answer)
	return answer, err
}

// about returns the alert that names a subject, nil if none does.
func about(alerts []told, subject string) *told {
	for i := range alerts {
		if strings.Contains(alerts[i].Annotations["subjects"], subject) {
			return &alerts[i]
		}
	}
	return nil
}

// sample is one series of an answer of Prometheus.
type sample struct {
	labels map[string]string
	values []float64
}

// query asks Prometheus for now, or with a step for the last minutes.
func (s *stack) query(expr string, since, step time.Duration) ([]sample, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  []any
				Values [][]any
			}
		}
	}
	path, q, now := "/api/v1/query", url.Values{"query": {expr}}, time.Now()
	if step > 0 {
		path = "/api/v1/query_range"
		q.Set("start", seconds(now.Add(-since)))
		q.Set("end", seconds(now))
		q.Set("step", step.String())
	}
	if err := getJSON(s.prometheus, path, q, &answer); err != nil {
		return nil, err
	}
	var out []sample
	for _, r := range answer.Data.Result {
		found := sample{labels: r.Metric}
		if r.Value != nil {
			r.Values = append(r.Values, r.Value)
		}
		for _, v := range r.Values {
			text, _ := v[1].(string)
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, err
			}
			found.values = append(found.values, f)
		}
		out = append(out, found)
	}
	return out, nil
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// value asks Prometheus for a single number; NaN when there is none.
func (s *stack) value(t *testing.T, expr string) float64 {
	t.Helper()
	found, err := s.query(expr, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || len(found[0].values) != 1 {
		return math.NaN()
	}
	return found[0].values[0]
}
