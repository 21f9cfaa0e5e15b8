package web

import (
	"embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed assets/app.css assets/roles.css assets/app.js assets/icon.svg
var assets embed.FS

//go:embed pages
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "pages/*.html"))

// layout is what every page has around its own part.
type layout struct {
	Title, Sub string
	Version    string
	Nav        []link
	// Live is the path of the changing part, empty when nothing changes;
	// RefreshMS is how often the script asks for it.
	Live      string
	RefreshMS int64
	Now       string
}

type link struct {
	Path, Name string
	Here       bool
}

// slower is by how much the page of the roles is refreshed less often than the
// list: what it shows changes with retrains and policies.
const slower = 5

func newLayout(path, version string, refresh time.Duration, now time.Time) layout {
	l := layout{Version: version, RefreshMS: refresh.Milliseconds(), Now: now.Format("15:04:05 UTC")}
	switch path {
	case "/":
		l.Sub, l.Live = "What is not as usual, most unusual first", "/live"
	case "/roles":
		l.Title, l.Sub, l.Live = "Roles", "Who is alike, by which policy, within which budgets", "/roles/live"
		l.RefreshMS *= slower
	case "/verdicts":
		l.Title, l.Sub, l.Live = "Verdicts", "What people said of alerts, and what they do not want to hear", "/verdicts/live"
		l.RefreshMS *= slower
	case "/explain":
		l.Title, l.Sub = "Who may what", "What the role policy in force says"
	}
	for _, p := range []link{{Path: "/", Name: "Anomalies"}, {Path: "/roles", Name: "Roles"}, {Path: "/explain", Name: "Who may what"}, {Path: "/verdicts", Name: "Verdicts"}} {
		p.Here = p.Path == path
		l.Nav = append(l.Nav, p)
	}
	return l
}

// notice is something about roles that a reader of any page should know.
type notice struct{ Title, Text, Link string }

// How many notices the list shows, and the page of the roles.
const (
	maxNotices      = 3
	maxRolesNotices = 20
)

// staleAfter is how old a source of roles may be before that is a problem.
const staleAfter = 5 * time.Minute

// newNotices says what makes the policy doubtful and who has used up a budget.
func newNotices(policies []Policy, tenants []Budgets, now time.Time, most int) (all []notice) {
	for i := range policies {
		p := &policies[i]
		for _, s := range p.Sources {
			if v := newSourceView(s, now); v.Alarm {
				all = append(all, notice{"The source of roles “" + s.Source + "” has a problem.", v.State, "/roles#policy"})
			}
		}
		if p.Unseen > 0 {
			all = append(all, notice{
				"The role policy may be old.",
				fmt.Sprintf("%s to roles or bindings were in the audit log without their contents, and may not be known.", plural(int(p.Unseen), "write", "writes")),
				"/roles#policy",
			})
		}
	}
	for i := range tenants {
		for _, b := range tenants[i].Budgets {
			if b.Limit > 0 && b.Used >= b.Limit {
				all = append(all, notice{"A budget is used up.", usedUp(tenants[i].Tenant, &b), "/roles#budgets"})
			}
		}
	}
	if more := len(all) - most; more > 0 {
		all = append(all[:most:most], notice{Title: "And " + plural(more, "more such note.", "more such notes."), Link: "/roles"})
	}
	return all
}

// usedUp says what it means that a tenant has used up a budget.
func usedUp(tenant string, b *Budget) string {
	then := "what is new is added up in one overflow cluster"
	if b.Budget == "fingerprints" {
		then = "what is new can no longer be told from what was seen long ago"
	}
	return fmt.Sprintf("%s has used its %s %s: %s.", tenant, thousands(float64(b.Limit)), budgetName(b.Budget), then)
}

// budgetName says what a budget counts.
func budgetName(budget string) string {
	switch budget {
	case "rate":
		return "new clusters an hour"
	case "role":
		return "clusters of one role"
	}
	return words(budget)
}

// powerWords says what a class of power means.
func powerWords(class string) string {
	switch class {
	case "none":
		return "none: the role allows nothing in this scope"
	case "read":
		return "read: nothing but looking"
	case "write":
		return "write: ordinary objects"
	case "elevated":
		return "elevated: can read secrets, run workloads or connect to them"
	case "escalate":
		return "escalate: can become more powerful"
	case "admin":
		return "admin: everything in the whole cluster"
	}
	return ""
}
