//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/logcluster/logcluster/alert"
)

// hostile is a user name that tries to be taken for something else: terminal
// escapes, HTML, quotes, templates, a new line, shell, format verbs, text that
// runs backwards, and nothing visible at all.
const hostile = "\x1b[31mroot\x1b]0;owned\x07<script>alert(1)</script>\"'`{{.Labels}}{{ template \"x\" }}\n\r\u202etxt.exe\u200b\\ $(reboot) ${x} %s"

// hostileRole comes from the authorization reason of the request.
const hostileRole = "reader<img src=x onerror=alert(2)>{{.}}\x1b[2J\u202e"

// audited is an audit event as kube-apiserver writes it.
func audited(at time.Time, user, role, verb, resource, object string) event {
	text, err := json.Marshal(map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
		"requestURI": "/api/v1/namespaces/shop/" + resource + "/" + object, "verb": verb,
		"user":                     map[string]any{"username": user, "groups": []string{"system:authenticated"}},
		"sourceIPs":                []string{"10.0.0.1"},
		"userAgent":                "agent of " + user,
		"objectRef":                map[string]string{"resource": resource, "namespace": "shop", "name": object, "apiVersion": "v1"},
		"responseStatus":           map[string]any{"code": 200},
		"requestReceivedTimestamp": at.UTC().Format(microTime), "stageTimestamp": at.UTC().Format(microTime),
		"annotations": map[string]string{
			"authorization.k8s.io/decision": "allow",
			"authorization.k8s.io/reason":   fmt.Sprintf(`RBAC: allowed by ClusterRoleBinding "b" of ClusterRole %q to User %q`, role, user),
		},
	})
	if err != nil {
		panic(err) // maps and strings always encode
	}
	return event{at: at, text: text}
}

const microTime = "2006-01-02T15:04:05.000000Z07:00"

// quietDay are events of three users who do what they always do, one each ten
// seconds, and end now.
func quietDay(length time.Duration) []event {
	var events []event
	users := []string{"alice", "bob", "carol"}
	for at := time.Now().Add(-length); at.Before(time.Now()); at = at.Add(10 * time.Second) {
		n := len(events)
		events = append(events, audited(at, users[n%3], "viewer", "list", []string{"pods", "services"}[n/3%2], ""))
	}
	return events
}

// TestHostileText lets a user with a hostile name read secrets in a tenant that
// was quiet for longer than the learning period. The alert about it reaches
// everybody as text that does nothing.
func TestHostileText(t *testing.T) {
	s := theStack(t)
	name := unique("hostile")
	i := newInstance(t, s, newTopic(t, s, name+"-audit", 1, nil), name, freeAddress(t))
	service := i.start(t)
	var events []event
	burst := time.Now().Add(-6 * time.Minute)
	for _, e := range quietDay(13 * time.Hour) {
		events = append(events, e)
		if since := e.at.Sub(burst); since >= 0 && since < 5*time.Minute {
			for n := range 3 {
				events = append(events, audited(e.at, hostile, hostileRole, "get", "secrets", fmt.Sprint("key-", len(events)+n)))
			}
		}
	}
	path := write(t, "hostile.jsonl", events)
	produce(t, i, "--speed", "max", path)
	service.awaitConsumed(t, len(events), time.Minute)

	a := firingAlert(t, service)
	if want := alert.Clean(hostile, 256); a.Subjects[0].Name != want || !strings.Contains(want, `\x1b[31m`) {
		t.Errorf("the subject is %q, want %q", a.Subjects[0].Name, want)
	}
	harmless(t, "role", a.Role)
	harmless(t, "summary", a.Summary)
	t.Log(a.Summary)
	t.Run("Loki", func(t *testing.T) { hostileInLoki(t, i, a) })
	t.Run("Alertmanager", func(t *testing.T) { hostileInAlertmanager(t, i, a) })
	t.Run("page", func(t *testing.T) { hostileOnPage(t, service, a) })
	if z := service.metric(t, "logcluster_anomaly_zscore", "cluster", a.Cluster); !(z > 2.5) {
		t.Errorf("/metrics: z of the cluster is %v", z)
	}
	t.Run("anomalies topic", func(t *testing.T) {
		for _, r := range readTopic(t, s, i.anomalies()) {
			harmless(t, "record", string(r.Value))
		}
	})
	t.Run("terminal", func(t *testing.T) {
		table := run(t, "replay", "--tenant", i.topic, path)
		harmless(t, "table", string(bytes.ReplaceAll(table, []byte("\n"), nil)))
		if !bytes.Contains(table, []byte(`\x1b[31m`)) {
			t.Errorf("the alert is not in the table:\n%s", table)
		}
	})
	service.end(t, syscall.SIGTERM)
	for _, file := range []string{service.stdout, service.stderr} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		harmless(t, file, string(bytes.ReplaceAll(content, []byte("\n"), nil)))
	}
}

// firingAlert returns the only alert, which is firing.
func firingAlert(t *testing.T, s *service) alert.Alert {
	t.Helper()
	var changes []alert.Alert
	until(t, 10*time.Second, func() (bool, string) {
		changes = s.changes(t)
		return len(changes) == 1 && changes[0].State == "firing", fmt.Sprintf("told: %+v", changes)
	})
	return changes[0]
}

// harmless fails when a text holds what a terminal or a reader's eye obeys.
func harmless(t *testing.T, where, text string) {
	t.Helper()
	for at, r := range text {
		if !unicode.IsPrint(r) {
			t.Errorf("%s holds %U at %d: %.200q", where, r, at, text)
			return
		}
	}
}

func hostileInLoki(t *testing.T, i *instance, a alert.Alert) {
	for _, l := range i.awaitLines(t, []alert.Alert{a}, 20*time.Second) {
		harmless(t, "line", l.text)
		for name, value := range l.metadata {
			harmless(t, "structured metadata "+name, value)
		}
		if strings.Contains(l.text, "<script") {
			t.Errorf("HTML in a line: %s", l.text)
		}
	}
	// The query for the records behind it is one that Loki takes.
	if _, err := i.stack.lines(a.LogQL, time.Now().Add(-time.Hour), time.Now()); err != nil {
		t.Error(err)
	}
	harmless(t, "query", a.LogQL)
}

func hostileInAlertmanager(t *testing.T, i *instance, a alert.Alert) {
	var found *told
	until(t, 15*time.Second, func() (bool, string) {
		alerts, err := i.stack.alerts(i.topic)
		if err != nil {
			t.Fatal(err)
		}
		if len(alerts) == 1 {
			found = &alerts[0]
		}
		return found != nil, fmt.Sprintf("Alertmanager shows %+v", alerts)
	})
	for kind, texts := range map[string]map[string]string{"label": found.Labels, "annotation": found.Annotations} {
		for name, value := range texts {
			harmless(t, kind+" "+name, strings.ReplaceAll(value, "\n", ""))
			if strings.Contains(value, "{{") || strings.Contains(value, "}}") {
				t.Errorf("%s %s holds a template: %s", kind, name, value)
			}
		}
	}
	if !strings.Contains(found.Annotations["subjects"], `\x1b[31mroot`) || found.Labels["cluster"] != a.Cluster {
		t.Errorf("got %+v", found)
	}
}

func hostileOnPage(t *testing.T, s *service, a alert.Alert) {
	for _, path := range []string{"/", "/live"} {
		page, err := get("http://"+s.listen, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := string(page)
		harmless(t, path, strings.NewReplacer("\n", "", "\t", "").Replace(text))
		for _, tag := range []string{"<script>alert", "<img src=x"} {
			if strings.Contains(text, tag) {
				t.Errorf("%s holds %s", path, tag)
			}
		}
		if !strings.Contains(html.UnescapeString(text), a.Subjects[0].Name) {
			t.Errorf("%s does not name the user:\n%s", path, text)
		}
	}
	body, err := get("http://"+s.listen, "/api/v1/anomalies", nil)
	if err != nil {
		t.Fatal(err)
	}
	harmless(t, "/api/v1/anomalies", string(body))
	var answer struct{ Anomalies []alert.Alert }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Anomalies) == 0 || answer.Anomalies[0].ID != a.ID {
		t.Errorf("/api/v1/anomalies: %s", body)
	}
}
