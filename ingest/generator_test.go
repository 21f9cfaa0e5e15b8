package ingest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes records: mostly good ones, with everything that is allowed
// and much that is not.
type generator struct{ rng *rand.Rand }

func (g *generator) pick(choices ...string) string { return choices[g.rng.IntN(len(choices))] }

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// mostly returns good four times of five, else one of the others.
func (g *generator) mostly(good string, others ...string) string {
	if g.chance(80) {
		return good
	}
	return g.pick(others...)
}

func (g *generator) space() string {
	if g.chance(10) {
		return g.pick(" ", "\n", "\t \r\n")
	}
	return ""
}

// quoted returns a string literal, with needless escapes now and then.
func (g *generator) quoted(s string) string {
	if g.chance(80) {
		b, _ := json.Marshal(s)
		return string(b)
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			out.WriteString(`\` + string(c))
		case g.chance(20) && c < 0x80:
			out.WriteString(`\u00` + string("0123456789abcdef"[c>>4]) + string("0123456789ABCDEF"[c&15]))
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// odd returns a value that should not be there.
func (g *generator) odd() string {
	return g.pick("null", "1", "-2.5e3", "true", "[]", "{}", `"x"`, `[{"a":[]}]`, `{"a":{"b":"c"}}`, `""`)
}

func (g *generator) object(fields ...string) string {
	pairs := make([]string, 0, len(fields)/2)
	for i := 0; i < len(fields); i += 2 {
		value := fields[i+1]
		if g.chance(2) {
			value = g.odd()
		}
		if !g.chance(3) {
			pairs = append(pairs, g.quoted(fields[i])+g.space()+":"+g.space()+value)
		}
	}
	if g.chance(20) {
		g.rng.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	}
	return "{" + strings.Join(pairs, g.space()+","+g.space()) + "}"
}

func (g *generator) text() string {
	return g.pick("", "a", "pods", "system:node:n-1", "naïve \u202e \x1b[0m \U0001f680", `quote " and \`, strings.Repeat("é", 40), "a\xffb")
}

func (g *generator) user() string {
	groups := make([]string, g.rng.IntN(4))
	for i := range groups {
		groups[i] = g.quoted(g.text())
	}
	return g.object("username", g.quoted(g.text()), "groups", "["+strings.Join(groups, ",")+"]", "extra", g.extra())
}

// everyAttribute names attributes of every form: those that the generator
// writes, some of event.json, and one that nothing has.
func everyAttribute() []string {
	return []string{
		"source", "annotations/other", "annotations/authorization.k8s.io/decision", "extra/agent", "extra/authentication.kubernetes.io/pod-name",
		"annotations/authorization.k8s.io/reason", "extra/a/b", "user_agent", "annotations/pod-security.kubernetes.io/enforce-policy", "annotations/none",
	}
}

// config returns limits that are easily met, and some attributes in some order.
func (g *generator) config() Config {
	names := everyAttribute()
	g.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return Config{
		MaxRecordBytes: 1 << 20, MaxDepth: 20, MaxFieldBytes: 64, MaxGroups: 2,
		Attributes: names[:g.rng.IntN(len(names)+1)],
	}
}

func (g *generator) extra() string {
	if g.chance(10) {
		return g.odd()
	}
	value := func() string {
		return g.mostly("["+g.quoted(g.text())+`,"second"]`, `[]`, `[""]`, `[`+g.quoted(g.text())+`,1]`)
	}
	return g.object("agent", value(), "a/b", value(), "unwanted", g.odd())
}

// write makes fields of a write, of RBAC objects for the most part.
func (g *generator) write() []string {
	ref := g.object(
		"resource", g.quoted(g.pick("roles", "clusterroles", "rolebindings", "clusterrolebindings", "pods")),
		"apiGroup", g.quoted(g.pick("rbac.authorization.k8s.io", "rbac.authorization.k8s.io", "")), "name", g.quoted(g.text()),
		"subresource", g.quoted(g.pick("", "", "", "status", "token")))
	dryRun := g.pick("?dryRun=All", "?a=b&dryRun=All", "?dryRun=&dryRun=%41ll", "?%64ryRun=Al%6C", "?dryRun=All%", "?dryRun=all", "?dryrun=All", "?dryRun=None&a;dryRun=All")
	body := func() string {
		return g.object("kind", g.quoted(g.pick("ClusterRole", "DeleteOptions")), "rules", g.odd(), "dryRun", g.pick("null", `"All"`, "[]", `["All"]`, `["none", "\u0041ll"]`, `[1,{"a":["All"]}]`))
	}
	return []string{
		"verb", g.quoted(g.pick("create", "update", "patch", "delete", "delete", "deletecollection", "get")),
		"requestURI", g.quoted("/apis/x" + g.pick("", "", "?timeout=30s", dryRun)),
		"objectRef", ref, "responseStatus", g.mostly(`{"code":201}`, `{"code":200}`, `{"code":299}`, `{"code":300}`, `{"code":409}`, `{}`),
		"requestObject", g.pick(g.odd(), body(), body()), "responseObject", g.pick(g.odd(), body(), body()),
	}
}

func (g *generator) time() string {
	return g.quoted(g.mostly("2026-03-09T14:07:31.482913Z", "2026-03-09T14:07:31Z", "2026-03-09T14:07:31.123456789123+02:00",
		"2026-02-29T00:00:00Z", "", "yesterday", "1969-12-31T23:59:59Z", "2024-02-29T23:59:59.5-07:30"))
}

func (g *generator) event(inList bool) string {
	kind, version := "Event", "audit.k8s.io/v1"
	if g.chance(5) {
		kind, version = g.pick("Event", "Pod", "EventList", ""), g.pick("audit.k8s.io/v1beta1", "v1", "")
	}
	fields := []string{
		"level", `"Metadata"`,
		"auditID", g.quoted(g.text()),
		"stage", g.quoted(g.mostly("ResponseComplete", "ResponseStarted", "RequestReceived", "Panic", "X")),
		"requestURI", g.quoted(g.mostly("/healthz?verbose", "/debug/pprof/heap", "", "/api/v1/pods")),
		"verb", g.quoted(g.mostly("get", "watch", "create", "")),
		"user", g.user(), "impersonatedUser", g.pick("null", g.user()),
		"sourceIPs", g.pick(`["10.0.0.1","::1"]`, `[]`, `["x",1]`), "userAgent", g.quoted(g.text()),
		"responseStatus", g.object("metadata", "{}", "code", g.mostly("200", "0", "1000", "20.5", `"200"`, "403")),
		"requestReceivedTimestamp", g.time(), "stageTimestamp", g.time(),
		"annotations", g.object(
			"authorization.k8s.io/decision", g.quoted(g.pick("allow", "forbid", "maybe")),
			"authorization.k8s.io/reason", g.quoted(g.text()), "other", g.quoted(g.text())),
		"requestObject", g.odd(), "unknown", g.odd(),
	}
	if g.chance(30) {
		fields = replaced(fields, g.write())
	} else if g.chance(70) {
		fields = append(fields, "objectRef", g.object("resource", g.quoted(g.text()), "namespace", g.quoted(g.text()), "name", g.quoted(g.text()),
			"apiGroup", g.quoted(g.text()), "subresource", g.quoted(g.pick("", "exec", "log", "status"))))
	}
	if !inList || g.chance(30) {
		fields = append([]string{"kind", g.quoted(kind), "apiVersion", g.quoted(version)}, fields...)
	}
	return g.object(fields...)
}

// replaced returns the fields with those of the same name replaced by others.
func replaced(fields, others []string) []string {
	var kept []string
	for i := 0; i < len(fields); i += 2 {
		if j := slices.Index(others, fields[i]); j < 0 || j%2 == 1 {
			kept = append(kept, fields[i], fields[i+1])
		}
	}
	return append(kept, others...)
}

func (g *generator) events(inList bool) string {
	events := make([]string, g.rng.IntN(4))
	for i := range events {
		events[i] = g.event(inList)
		if g.chance(5) {
			events[i] = g.odd()
		}
	}
	return "[" + strings.Join(events, g.space()+",") + "]"
}

func (g *generator) record() []byte {
	var parts []string
	for range 1 + g.rng.IntN(2) {
		switch g.rng.IntN(4) {
		case 0:
			parts = append(parts, g.events(false))
		case 1:
			parts = append(parts, g.object("kind", `"EventList"`, "apiVersion", g.quoted(g.pick("audit.k8s.io/v1", "v1")), "metadata", "{}", "items", g.events(true)))
		default:
			parts = append(parts, g.event(false))
		}
	}
	return []byte(strings.Join(parts, "\n"))
}
