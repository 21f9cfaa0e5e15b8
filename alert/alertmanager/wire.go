package alertmanager

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// The names of the alerts. Labels are an alert's identity in Alertmanager: they
// are the same from firing to resolved, and nothing that changes is in them.
const (
	AlertName       = "LogclusterAnomaly"
	MissedAlertName = "LogclusterMissedWhileDown"
)

// ownLabel reports whether a label is one of the alert itself.
func ownLabel(name string) bool {
	switch name {
	case "alertname", "tenant", "role", "resource", "access", "severity", "cluster":
		return true
	}
	return false
}

// wireAlert is an alert of Alertmanager's API v2 (postableAlert).
type wireAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// labelsOf are the identity of an alert.
func (c *Config) labelsOf(a *alert.Alert) map[string]string {
	return c.labels(map[string]string{
		"alertname": AlertName,
		"tenant":    a.Tenant,
		"role":      a.Role,
		"resource":  a.Resource,
		"access":    a.Access,
		"severity":  a.Severity,
		"cluster":   a.Cluster,
	})
}

// missedLabels are the identity of a tenant's alert about what was missed.
func (c *Config) missedLabels(tenant string) map[string]string {
	return c.labels(map[string]string{"alertname": MissedAlertName, "tenant": tenant, "severity": "warning"})
}

func (c *Config) labels(own map[string]string) map[string]string {
	for name, value := range own {
		own[name] = unbrace(value)
	}
	for name, value := range c.ExternalLabels {
		own[name] = value
	}
	return own
}

// keyOf is the identity as one string: JSON, whose maps have sorted keys.
func keyOf(labels map[string]string) string {
	key, _ := json.Marshal(labels) // strings always encode
	return string(key)
}

// annotationsOf are what a person reads of an alert.
func annotationsOf(a *alert.Alert) map[string]string {
	out := map[string]string{
		"summary":       a.Summary,
		"logql":         a.LogQL,
		"logql_history": alert.HistoryQuery(a),
		"z":             fmt.Sprintf("%.1f", a.Z),
		"rank":          fmt.Sprint(a.Rank),
		"id":            a.ID,
	}
	for _, f := range alert.Explain(a) {
		out[f.Name] = strings.Join(f.Lines, "\n")
	}
	for name, value := range out {
		out[name] = unbrace(value)
	}
	return out
}

// linkTo is the link to a cluster on the web page; empty without a page.
// Alertmanager refuses an alert whose link has a fragment right after its host.
func linkTo(page, cluster string) string {
	u, err := url.Parse(page)
	if err != nil || page == "" {
		return ""
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment = cluster
	return u.String()
}

// unbrace takes the braces of templates apart: Alertmanager does not evaluate
// an annotation, but a template of its user may.
func unbrace(s string) string {
	for strings.Contains(s, "{{") {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	for strings.Contains(s, "}}") {
		s = strings.ReplaceAll(s, "}}", "} }")
	}
	return s
}
