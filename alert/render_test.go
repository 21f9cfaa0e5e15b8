package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-11-03 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

// scanner is an anomaly as the detector hands it out.
func scanner() *anomaly.Anomaly {
	return &anomaly.Anomaly{
		ID:    "a1b2c3",
		State: anomaly.Firing,
		Cluster: &fingerprint.ClusterKey{
			ID: 0xfeed, Tenant: "audit", Role: "ClusterRole/scanner", RoleSource: rbac.SourceRBAC, Power: rbac.ClassElevated,
			Resource: "secrets", Access: fingerprint.AccessRead, Sensitive: true,
		},
		Z: 11.25, Rank: 1, Severity: anomaly.Critical,
		StartedAt: at("02:21:00"), FiredAt: at("02:21:30"),
		WindowStart: at("02:16:30"), WindowEnd: at("02:21:30"),
		Features: []anomaly.Feature{
			{Name: "events", Observed: 124, Expected: 0, Low: 0, High: 2, Z: 11.25, LogP: -66, Window: 5 * time.Minute},
			{Name: "objects", Observed: 57, Expected: 1, Low: 0, High: 3, Z: 9, LogP: -43, Window: 5 * time.Minute},
		},
		Subjects: []anomaly.Share{
			{Name: "system:serviceaccount:image-scanner:image-scanner", Share: 0.96, Usual: 0.5},
			{Name: "alice", Share: 0.04, Usual: -1},
		},
	}
}

func with(change func(*anomaly.Anomaly)) *anomaly.Anomaly {
	a := scanner()
	change(a)
	return a
}

func drivenBy(f anomaly.Feature) *anomaly.Anomaly {
	return with(func(a *anomaly.Anomaly) {
		a.Features = []anomaly.Feature{f}
		a.Subjects = []anomaly.Share{{Name: "alice", Share: 1}}
	})
}

func TestSummary(t *testing.T) {
	const alice = "alice (ClusterRole/scanner) "
	for name, tc := range map[string]struct {
		anomaly *anomaly.Anomaly
		want    string
	}{
		"more events": {
			scanner(),
			"system:serviceaccount:image-scanner:image-scanner (ClusterRole/scanner) reads secrets: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC; 96 % by system:serviceaccount:image-scanner:image-scanner, 4 % by alice; also 57 different objects, usually 1",
		},
		"fewer": {
			drivenBy(anomaly.Feature{Name: "events", Observed: 3, Expected: 40.4, Low: 30, High: 52, Z: -5}),
			alice + "reads secrets: only 3 events in 5 min, usually 40 (30–52), since 02:21 UTC",
		},
		"silent": {
			drivenBy(anomaly.Feature{Name: "events", Observed: 0, Expected: 40.4, Low: 30, High: 52, Z: -9}),
			alice + "no longer reads secrets: no events in 5 min, usually 40 (30–52), since 02:21 UTC",
		},
		"silent for an hour, without a subject": {
			with(func(a *anomaly.Anomaly) {
				a.WindowStart = a.WindowEnd.Add(-time.Hour)
				a.Features = []anomaly.Feature{{Name: "events", Expected: 12345, Low: 11000, High: 14000, Z: -9}}
				a.Subjects = nil
			}),
			"ClusterRole/scanner no longer reads secrets: no events in 1 h, usually 12,345 (11,000–14,000), since 02:21 UTC",
		},
		"refused": {
			drivenBy(anomaly.Feature{Name: "denied", Observed: 57, Expected: 0.2, High: 2, Z: 8}),
			alice + "reads secrets: 57 requests refused by the authorizer in 5 min, usually 0.2 (0–2), since 02:21 UTC",
		},
		"refused, as a share": {
			drivenBy(anomaly.Feature{Name: "denied_share", Observed: 0.87, Expected: 0.004, High: 0.03, Z: 8}),
			alice + "reads secrets: 87 % refused by the authorizer in 5 min, usually 0.4 % (0–3 %), since 02:21 UTC",
		},
		"failed": {
			drivenBy(anomaly.Feature{Name: "failed", Observed: 1, Expected: 0, High: 0, Z: 4}),
			alice + "reads secrets: 1 failed request in 5 min, usually 0 (0–0), since 02:21 UTC",
		},
		"failed, as a share": {
			drivenBy(anomaly.Feature{Name: "failed_share", Observed: 1, Expected: 0.25, Low: 0.1, High: 0.4, Z: 4}),
			alice + "reads secrets: 100 % failed in 5 min, usually 25 % (10–40 %), since 02:21 UTC",
		},
		"many objects": {
			drivenBy(anomaly.Feature{Name: "objects", Observed: 1570, Expected: 3, Low: 1, High: 6, Z: 12}),
			alice + "reads secrets: 1,570 different objects in 5 min, usually 3 (1–6), since 02:21 UTC",
		},
		"first seen pair": {
			drivenBy(anomaly.Feature{Name: "new_subject_resources", Observed: 1, Z: 4}),
			alice + "reads secrets: 1 subject on a resource never touched before in 5 min, usually 0 (0–0), since 02:21 UTC",
		},
		"first seen fingerprints": {
			drivenBy(anomaly.Feature{Name: "new_fingerprints", Observed: 4, High: 1, Z: 6}),
			alice + "reads secrets: 4 operations never seen before in 5 min, usually 0 (0–1), since 02:21 UTC",
		},
		"a feature of the future": {
			drivenBy(anomaly.Feature{Name: "log_tokens", Observed: 5.25, Expected: 1.1, Low: 0.5, High: 1.7, Z: 6}),
			alice + "reads secrets: 5.3 log tokens in 5 min, usually 1.1 (0.5–1.7), since 02:21 UTC",
		},
		"slow answers, in an hour": {
			drivenBy(anomaly.Feature{Name: "latency", Window: time.Hour, Observed: 2.34, Expected: 0.0156, Low: 0.004, High: 0.061, Z: 6}),
			alice + "reads secrets: 2.3 s for an answer in 1 h, usually 16 ms (4 ms to 61 ms), since 02:21 UTC",
		},
		"unlike its role": {
			with(func(a *anomaly.Anomaly) {
				a.Features = []anomaly.Feature{{Name: "silhouette", Observed: -0.21, Expected: 0.7, Low: 0.5, High: 0.9, Z: -6}}
				a.Subjects, a.Like = nil, "ClusterRole/backup"
			}),
			"ClusterRole/scanner reads secrets: only -0.21 fit of the subjects to their role in 5 min, usually 0.70 (0.50 to 0.90), since 02:21 UTC; acts unlike its role, like ClusterRole/backup",
		},
		"new, began inside of the window, more parts than shown": {
			with(func(a *anomaly.Anomaly) {
				a.Features = a.Features[:1]
				a.Subjects = nil
				a.BeganAt = at("02:18:10")
				a.New = []cluster.Novelty{{Feature: cluster.NewSubjectSources, Subject: "alice", What: "203.0.113.7"}, {Feature: cluster.NewFingerprints, What: "get secrets"}}
				a.Parts, a.Cut = []anomaly.Part{{Cluster: a.Cluster, Z: 4}}, 12
			}),
			"ClusterRole/scanner reads secrets: 124 events in 5 min, usually 0 (0–2), since 02:18 UTC; never seen before: alice from 203.0.113.7 and 1 more; with 13 other clusters of the same story",
		},
		"accepted, and nobody told": {
			with(func(a *anomaly.Anomaly) {
				a.Features, a.Subjects = a.Features[:1], nil
				a.LevelShift, a.Suppressed = true, "maintenance: upgrade"
			}),
			"ClusterRole/scanner reads secrets: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC; it has lasted, and is taken for usual from now on; nobody is told: maintenance: upgrade",
		},
		"nobody in the lead": {
			with(func(a *anomaly.Anomaly) {
				a.Features = a.Features[:1]
				a.Subjects = []anomaly.Share{{Name: "alice", Share: 0.3}, {Name: "bob", Share: 0.2}}
			}),
			"ClusterRole/scanner reads secrets: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC; 30 % by alice, 20 % by bob",
		},
		"many roles, another access, another day": {
			with(func(a *anomaly.Anomaly) {
				a.Cluster.Role = "ClusterRole/a,ClusterRole/b,ClusterRole/c,Role/ns/d"
				a.Cluster.Access, a.Cluster.Resource = fingerprint.AccessConnect, "pods/exec"
				a.StartedAt = a.StartedAt.Add(-24 * time.Hour)
				a.Features, a.Subjects = a.Features[:1], nil
			}),
			"ClusterRole/a, ClusterRole/b and 2 more connects through pods/exec: 124 events in 5 min, usually 0 (0–2), since 2 Nov 02:21 UTC",
		},
		"resolved": {
			with(func(a *anomaly.Anomaly) {
				a.State, a.ResolvedAt = anomaly.Resolved, at("02:40:00")
				a.Features, a.Subjects = a.Features[:1], nil
			}),
			"Over at 02:40 UTC: ClusterRole/scanner reads secrets: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC",
		},
		"learning, partial, with parts": {
			with(func(a *anomaly.Anomaly) {
				a.Features, a.Subjects, a.Learning = nil, nil, true
				a.PartialSources = []string{"audit/3"}
				a.Parts = []anomaly.Part{{Cluster: a.Cluster, Z: 4}}
			}),
			"ClusterRole/scanner reads secrets, since 02:21 UTC; with 1 other cluster of the same story; incomplete, without audit/3; still learning what is usual",
		},
		"overflow": {
			with(func(a *anomaly.Anomaly) {
				a.Cluster = &fingerprint.ClusterKey{ID: 1, Tenant: "audit", Role: "_overflow"}
				a.Features, a.Subjects = a.Features[:1], nil
			}),
			"beyond the budget of clusters acts on anything: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC",
		},
		"a path": {
			with(func(a *anomaly.Anomaly) {
				a.Cluster.Role, a.Cluster.Resource = "unknown", "nonresource:/metrics"
				a.Features, a.Subjects = a.Features[:1], nil
			}),
			"role unknown reads /metrics: 124 events in 5 min, usually 0 (0–2), since 02:21 UTC",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := From(tc.anomaly, DefaultConfig(), nil).Summary; got != tc.want {
				t.Errorf("\ngot  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestFromFillsEveryField(t *testing.T) {
	a := scanner()
	a.State, a.ResolvedAt = anomaly.Resolved, at("02:40:00")
	a.Learning, a.PartialSources = true, []string{"audit/0"}
	a.Cluster.APIGroup = "group.example"
	a.Parts, a.Cut = []anomaly.Part{{Cluster: a.Cluster, Z: -3}}, 2
	a.Objects, a.Sources = a.Subjects, a.Subjects
	a.New = []cluster.Novelty{{Feature: cluster.NewFingerprints, What: "get secrets"}}
	a.Evidence = []cluster.Sample{{Subject: "alice"}}
	a.BeganAt, a.Like = at("02:18:00"), "ClusterRole/backup"
	a.Extrapolated, a.LevelShift, a.Suppressed = true, true, "maintenance"
	got := reflect.ValueOf(From(a, DefaultConfig(), nil))
	for i := range got.NumField() {
		if got.Field(i).IsZero() {
			t.Errorf("field %s is not set", got.Type().Field(i).Name)
		}
	}
}

func TestAlertJSON(t *testing.T) {
	body, err := json.MarshalIndent(From(scanner(), DefaultConfig(), nil), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "schema_version": 1,
  "id": "a1b2c3",
  "state": "firing",
  "tenant": "audit",
  "cluster": "000000000000feed",
  "role": "ClusterRole/scanner",
  "role_source": "rbac",
  "power": "elevated",
  "resource": "secrets",
  "access": "read",
  "z": 11.25,
  "rank": 1,
  "severity": "critical",
  "started_at": "2026-11-03T02:21:00Z",
  "fired_at": "2026-11-03T02:21:30Z",
  "resolved_at": null,
  "window_start": "2026-11-03T02:16:30Z",
  "window_end": "2026-11-03T02:21:30Z",
  "scale": "short",
  "features": [
    {
      "name": "events",
      "observed": 124,
      "expected": 0,
      "low": 0,
      "high": 2,
      "z": 11.25,
      "p": 2.1705220113036395e-29,
      "log10_p": -28.66343580561462,
      "scale": "short",
      "window_seconds": 300
    },`
	if !strings.HasPrefix(string(body), want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", body, want)
	}
	empty := with(func(a *anomaly.Anomaly) { a.Features, a.Subjects, a.Parts = nil, nil, nil })
	body, err = json.Marshal(From(empty, DefaultConfig(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{`"features":[]`, `"subjects":[]`, `"parts":[]`} {
		if !strings.Contains(string(body), list) {
			t.Errorf("an empty list is not written as %s: %s", list, body)
		}
	}
}

// Evidence is found again by topic, partition and offset; in a file, by its line.
func TestEvidenceHasItsPlace(t *testing.T) {
	a := with(func(a *anomaly.Anomaly) {
		a.Evidence = []cluster.Sample{{Source: 3, Offset: 7}, {Source: 4, Offset: 8}, {Source: 3, Offset: -1}}
	})
	got := From(a, DefaultConfig(), func(source int) (string, int32, bool) { return "audit", 2, source == 3 }).Evidence
	if r := got[0]; r.Topic != "audit" || *r.Partition != 2 || *r.Offset != 7 {
		t.Errorf("in a partition: %+v", r)
	}
	if r := got[1]; r.Topic != "" || r.Partition != nil || *r.Offset != 8 {
		t.Errorf("in a file: %+v", r)
	}
	if r := got[2]; r.Topic != "" || r.Partition != nil || r.Offset != nil {
		t.Errorf("nowhere: %+v", r)
	}
}

func TestFromNumbersAreFinite(t *testing.T) {
	a := drivenBy(anomaly.Feature{Name: "events", Observed: math.Inf(1), Expected: math.NaN(), Low: math.Inf(-1), Z: math.NaN()})
	a.Z = math.Inf(1)
	if _, err := json.Marshal(From(a, DefaultConfig(), nil)); err != nil {
		t.Errorf("not encodable: %v", err)
	}
}

// FuzzFrom: whatever a record says, an alert is harmless text of bounded size
// that survives JSON, and its query is one line of ASCII.
func FuzzFrom(f *testing.F) {
	for i, s := range hostileNames {
		f.Add(s, hostileNames[len(hostileNames)-1-i], s, float64(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, user, resource, role string, x float64, access uint8) {
		a := scanner()
		a.Z = x
		a.Cluster.Role, a.Cluster.Resource, a.Cluster.Tenant = role, resource, user
		a.Cluster.Access = fingerprint.Access(access % 6)
		a.Features[0].Observed, a.Features[0].Name = x, role
		a.Subjects[0].Name, a.Subjects[1].Name = user, resource
		a.PartialSources = []string{user, role}
		a.Parts = []anomaly.Part{{Cluster: a.Cluster, Z: x}}
		a.Objects, a.Sources, a.Like, a.Suppressed = a.Subjects, a.Subjects, role, user
		a.New = []cluster.Novelty{{Feature: cluster.Feature(access), Subject: user, What: resource}}
		a.Evidence = []cluster.Sample{{ID: user, Subject: user, Verb: role, Namespace: user, Object: resource, Address: role}}

		got := From(a, DefaultConfig(), nil)
		body, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if len(body) > 32<<10 {
			t.Errorf("%d bytes of JSON", len(body))
		}
		var back Alert
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatalf("decode: %v", err)
		}
		if !reflect.DeepEqual(got, back) {
			t.Errorf("JSON changes it:\n%+v\n%+v", got, back)
		}
		everyString(reflect.ValueOf(got), func(s string) { harmlessText(t, "alert", s) })
		for _, q := range []string{got.LogQL, HistoryQuery(&got), TenantHistoryQuery(got.Tenant)} {
			if len(q) > 16<<10 || strings.Contains(q, "{{") {
				t.Errorf("query: %d bytes, %s", len(q), q)
			}
			for i := range len(q) {
				if q[i] < ' ' || q[i] > '~' {
					t.Errorf("query is not ASCII: %q", q)
					break
				}
			}
		}
		var line strings.Builder
		if err := WriteLine(&line, &got, LineStyle{}); err != nil {
			t.Fatal(err)
		}
		harmlessText(t, "line", strings.TrimSuffix(line.String(), "\n"))
	})
}

// everyString calls f for every string in v.
func everyString(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			everyString(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			everyString(v.Index(i), f)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	for selector, ok := range map[string]bool{
		`{job="kubernetes-audit"}`: true,
		`{a="b", c=~"d|e"}`:        true,
		``:                         false,
		`{}`:                       false,
		`job="x"`:                  false,
		"{a=\"\n\"}":               false,
		`{{a="b"}}`:                false,
	} {
		if err := (Config{AuditSelector: selector}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", selector, err)
		}
	}
}

func ExampleFrom() {
	a := From(scanner(), DefaultConfig(), nil)
	fmt.Println(a.LogQL)
	fmt.Println(HistoryQuery(&a))
	// Output:
	// {job="kubernetes-audit"} | json stage="stage", group="objectRef.apiGroup", resource="objectRef.resource", subresource="objectRef.subresource", verb="verb", user="user.username", acting_as="impersonatedUser.username" | stage!="RequestReceived" | group="" | resource="secrets" | subresource="" | verb=~"get|list|watch|head|options" | user=~"system:serviceaccount:image-scanner:image-scanner|alice" or acting_as=~"system:serviceaccount:image-scanner:image-scanner|alice" # from 2026-11-03T02:16:30Z to 2026-11-03T02:21:30Z
	// {job="logcluster"} | id="a1b2c3"
}
