package alert

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// auditQuery writes the LogQL query that shows the audit records behind an
// anomaly, where the audit log is shipped to Loki too: the resource, the verbs
// of the access and the named subjects, or everybody when none is named (a
// silence has nobody). The role is not in an audit record, so that the subjects
// stand for it. A log query can't say its time range: it stands in the comment.
//
// It is made from the text of the records as it was, not as it is shown, so
// that it finds them: every string is quoted to plain ASCII.
func auditQuery(selector string, key *fingerprint.ClusterKey, a *anomaly.Anomaly) string {
	q := newQuery(selector)
	if path, ok := strings.CutPrefix(key.Resource, "nonresource:"); ok {
		q.extract("uri", "requestURI")
		q.where("uri", pathMatcher(path))
	} else {
		resource, sub, _ := strings.Cut(key.Resource, "/")
		q.extract("group", "objectRef.apiGroup")
		q.extract("resource", "objectRef.resource")
		q.extract("subresource", "objectRef.subresource")
		q.where("group", equals(key.APIGroup))
		q.where("resource", equals(resource))
		q.where("subresource", equals(sub))
	}
	if verbs := verbsOf(key); verbs != "" {
		q.extract("verb", "verb")
		q.where("verb", "=~"+quoteLogQL(verbs))
	}
	if m := subjectMatcher(a.Subjects); m != "" {
		q.extract("user", "user.username")
		q.extract("acting_as", "impersonatedUser.username")
		q.filters = append(q.filters, `user`+m+` or acting_as`+m)
	}
	return q.String() + fmt.Sprintf(" # from %s to %s",
		a.WindowStart.UTC().Format("2006-01-02T15:04:05Z"), a.WindowEnd.UTC().Format("2006-01-02T15:04:05Z"))
}

// HistoryQuery is the LogQL query for logcluster's own lines about an alert in
// Loki: every change of its state.
func HistoryQuery(a *Alert) string {
	return `{job="logcluster"} | id=` + quoteLogQL(a.ID)
}

// query is a LogQL log query in the making.
type query struct {
	selector string
	fields   []string
	filters  []string
}

func newQuery(selector string) *query { return &query{selector: selector} }

func (q *query) extract(label, path string) {
	q.fields = append(q.fields, label+"="+strconv.Quote(path))
}

func (q *query) where(label, matcher string) { q.filters = append(q.filters, label+matcher) }

func (q *query) String() string {
	return q.selector + " | json " + strings.Join(q.fields, ", ") + " | " + strings.Join(q.filters, " | ")
}

// verbsOf is the regular expression of the verbs that an access stands for;
// empty where the resource alone decides it (pods/exec is a GET in one
// recording and a CREATE in another).
func verbsOf(key *fingerprint.ClusterKey) string {
	if strings.Contains(key.Resource, "/") {
		return ""
	}
	switch key.Access {
	case fingerprint.AccessRead:
		return "get|list|watch|head|options"
	case fingerprint.AccessWrite:
		return "create|update|patch|post|put"
	case fingerprint.AccessDelete:
		return "delete|deletecollection"
	}
	return ""
}

func equals(s string) string {
	if cut, whole := wholeRunes(s, maxName); !whole {
		return "=~" + quoteLogQL(regexp.QuoteMeta(cut)+".*")
	}
	return "=" + quoteLogQL(s)
}

// pathMatcher matches a request URI by its path, whatever its query. A path may
// hold placeholders for its variable segments: it is matched up to the first.
func pathMatcher(path string) string {
	path, _ = wholeRunes(path, maxName)
	if fixed, _, variable := strings.Cut(path, "*"); variable {
		return "=~" + quoteLogQL(regexp.QuoteMeta(fixed)+".*")
	}
	return "=~" + quoteLogQL(regexp.QuoteMeta(path)+`([?].*)?`)
}

func subjectMatcher(subjects []anomaly.SubjectShare) string {
	subjects = subjects[:min(len(subjects), maxSubjects)]
	if len(subjects) == 0 {
		return ""
	}
	if len(subjects) == 1 {
		return equals(subjects[0].Name)
	}
	names := make([]string, len(subjects))
	for i, s := range subjects {
		cut, whole := wholeRunes(s.Name, maxName)
		names[i] = regexp.QuoteMeta(cut)
		if !whole {
			names[i] += ".*"
		}
	}
	return "=~" + quoteLogQL(strings.Join(names, "|"))
}

// wholeRunes cuts s to at most max bytes at a rune, makes it valid UTF-8 as a
// JSON decoder would, and reports whether it is all of it.
func wholeRunes(s string, max int) (string, bool) {
	whole := len(s) <= max
	if !whole {
		for max > 0 && !utf8.RuneStart(s[max]) {
			max--
		}
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "\ufffd"), whole
}

// harmless are characters that a template or a dashboard would read as its own
// even inside of a quoted LogQL string.
var harmless = strings.NewReplacer("{", `\x7b`, "}", `\x7d`, "$", `\x24`, "<", `\x3c`, ">", `\x3e`, "&", `\x26`)

// quoteLogQL writes s as a LogQL string (they are Go's) in printable ASCII,
// without braces, dollar signs and angle brackets.
func quoteLogQL(s string) string {
	return harmless.Replace(strconv.QuoteToASCII(strings.ToValidUTF8(s, "\ufffd")))
}

// TenantHistoryQuery is the LogQL query for logcluster's own lines about all
// alerts of a tenant.
func TenantHistoryQuery(tenant string) string {
	return `{job="logcluster"} | tenant=` + quoteLogQL(tenant)
}
