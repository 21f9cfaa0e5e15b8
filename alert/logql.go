package alert

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// auditQuery writes the LogQL query that shows the audit records behind an
// anomaly, where the audit log is shipped to Loki too: the resource, the verbs
// of the access, the named subjects, or everybody when none is named (a silence
// has nobody), and the refused or failed ones where those are what it is about. The role is not in an audit record: the subjects stand
// for it. A log query can't say its time range: that stands in a comment.
//
// It is made from the text of the records as it was, not as it is shown, so
// that it finds them: every string is quoted to harmless ASCII.
func auditQuery(selector string, a *anomaly.Anomaly) string {
	q := query{selector: selector}
	if a.Summary {
		return q.String() + timeRange(a)
	}
	q.stage()
	q.resource(a.Cluster)
	if m := verbMatcher(a.Cluster); m != "" {
		q.extract("verb", "verb")
		q.filter("verb" + m)
	}
	if m := subjectMatcher(a.Subjects); m != "" {
		q.extract("user", "user.username")
		q.extract("acting_as", "impersonatedUser.username")
		q.filter("user" + m + " or acting_as" + m)
	}
	if len(a.Features) > 0 {
		q.outcome(a.Features[0])
	}
	return q.String() + timeRange(a)
}

// timeRange is the comment that says a query's time range.
func timeRange(a *anomaly.Anomaly) string {
	return " # from " + a.WindowStart.UTC().Format(time.RFC3339) + " to " + a.WindowEnd.UTC().Format(time.RFC3339)
}

// HistoryQuery is the LogQL query for logcluster's own lines about an alert in
// Loki: every change of its state.
func HistoryQuery(a *Alert) string { return `{job="logcluster"} | id=` + quoteLogQL(a.ID) }

// TenantHistoryQuery is the LogQL query for logcluster's own lines about all
// alerts of a tenant.
func TenantHistoryQuery(tenant string) string {
	return `{job="logcluster"} | tenant=` + quoteLogQL(tenant)
}

// query is a LogQL log query in the making.
type query struct {
	selector string
	fields   []string
	filters  []string
}

func (q *query) extract(label, path string) {
	q.fields = append(q.fields, label+"="+strconv.Quote(path))
}

func (q *query) filter(f string) { q.filters = append(q.filters, f) }

func (q *query) String() string {
	if len(q.filters) == 0 {
		return q.selector
	}
	return q.selector + " | json " + strings.Join(q.fields, ", ") + " | " + strings.Join(q.filters, " | ")
}

// stage leaves out what is not counted: the API server may write a line when a
// request comes in, before the one that ends it.
func (q *query) stage() {
	q.extract("stage", "stage")
	q.filter(`stage!="RequestReceived"`)
}

// outcome filters on what a driving feature counts, where that is a part of the
// events.
func (q *query) outcome(f anomaly.Feature) {
	if f.Z < 0 {
		return
	}
	switch f.Name {
	case "denied":
		q.extract("decision", `annotations["authorization.k8s.io/decision"]`)
		q.filter(`decision="forbid"`)
	case "failed":
		q.extract("decision", `annotations["authorization.k8s.io/decision"]`)
		q.extract("code", "responseStatus.code")
		q.filter(`decision!="forbid"`)
		q.filter("code>=400")
	}
}

// resource filters on what was acted on. The overflow cluster is about
// anything.
func (q *query) resource(key *fingerprint.ClusterKey) {
	if path, ok := strings.CutPrefix(key.Resource, nonResource); ok {
		q.extract("uri", "requestURI")
		q.filter("uri" + pathMatcher(path))
		return
	}
	if key.Resource == "" {
		return
	}
	name, sub, _ := strings.Cut(key.Resource, "/")
	q.extract("group", "objectRef.apiGroup")
	q.extract("resource", "objectRef.resource")
	q.extract("subresource", "objectRef.subresource")
	q.filter("group" + equals(key.APIGroup))
	q.filter("resource" + named(name))
	q.filter("subresource" + named(sub))
}

// nonResource precedes the path of a request that is not about an API object.
const nonResource = "nonresource:"

// reading and deleting are the verbs of the two accesses that are theirs alone;
// the others are about what is left.
const (
	reading  = "get|list|watch|head|options"
	deleting = "delete|deletecollection"
)

// verbMatcher filters on the verbs of an access; empty where the resource
// decides it (pods/exec is a get in one recording and a create in another).
func verbMatcher(key *fingerprint.ClusterKey) string {
	switch {
	case key.Resource == "":
		return ""
	case key.Access == fingerprint.AccessRead:
		return "=~" + quoteLogQL(reading)
	case key.Access == fingerprint.AccessDelete && strings.HasSuffix(key.Resource, "/eviction"),
		key.Access == fingerprint.AccessEscalate:
		return "!~" + quoteLogQL(reading)
	case key.Access == fingerprint.AccessDelete:
		return "=~" + quoteLogQL(deleting)
	case key.Access == fingerprint.AccessWrite:
		return "!~" + quoteLogQL(reading+"|"+deleting)
	}
	return ""
}

// named matches a name as a cluster key writes it: %XX stands for a character,
// and a name that was too long ends in a tilde and a hash.
func named(s string) string {
	s, _, cut := strings.Cut(s, "~")
	if raw, err := url.PathUnescape(s); err == nil {
		s = raw
	}
	if cut {
		return "=~" + quoteLogQL(regexp.QuoteMeta(s)+".*")
	}
	return equals(s)
}

func equals(s string) string {
	if start, whole := wholeRunes(s, maxName); !whole {
		return "=~" + quoteLogQL(regexp.QuoteMeta(start)+".*")
	}
	return "=" + quoteLogQL(s)
}

// pathMatcher matches a request URI by the template of its path, whatever its
// query: {id} stands for one segment, "..." for the rest.
func pathMatcher(template string) string {
	template, _ = wholeRunes(template, maxName)
	segments := strings.Split(template, "/")
	for i, s := range segments {
		switch s {
		case "{id}":
			segments[i] = "[^/]+"
		case "...":
			segments[i] = ".+"
		default:
			segments[i] = regexp.QuoteMeta(s)
		}
	}
	return "=~" + quoteLogQL(strings.Join(segments, "/+")+"([?].*)?")
}

func subjectMatcher(subjects []anomaly.Share) string {
	subjects = subjects[:min(len(subjects), maxShown)]
	if len(subjects) == 0 {
		return ""
	}
	if len(subjects) == 1 {
		return equals(subjects[0].Name)
	}
	names := make([]string, len(subjects))
	for i, s := range subjects {
		start, whole := wholeRunes(s.Name, maxName)
		names[i] = regexp.QuoteMeta(start)
		if !whole {
			names[i] += ".*"
		}
	}
	return "=~" + quoteLogQL(strings.Join(names, "|"))
}

// wholeRunes cuts s to at most max bytes at a rune, makes it valid UTF-8 as a
// JSON decoder would, and reports whether it is all of it.
func wholeRunes(s string, max int) (start string, whole bool) {
	whole = len(s) <= max
	if !whole {
		for max > 0 && !utf8.RuneStart(s[max]) {
			max--
		}
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "\ufffd"), whole
}

// harmless are characters that a template, a page or a dashboard would read as
// its own even inside of a quoted LogQL string.
var harmless = strings.NewReplacer("{", `\x7b`, "}", `\x7d`, "$", `\x24`, "<", `\x3c`, ">", `\x3e`, "&", `\x26`)

// quoteLogQL writes s as a LogQL string, whose syntax is Go's, in printable
// ASCII without braces, dollar signs, angle brackets and ampersands.
func quoteLogQL(s string) string {
	return harmless.Replace(strconv.QuoteToASCII(strings.ToValidUTF8(s, "\ufffd")))
}
