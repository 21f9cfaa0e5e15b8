package alert

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

func TestAuditQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		key      fingerprint.ClusterKey
		subjects []string
		features []anomaly.Feature
		want     []string // parts of the query, in order
	}{
		"an object": {
			fingerprint.ClusterKey{APIGroup: "apps", Resource: "deployments", Access: fingerprint.AccessWrite},
			[]string{"alice"},
			nil,
			[]string{`group="apps"`, `resource="deployments"`, `subresource=""`, `verb!~"get|list|watch|head|options|delete|deletecollection"`, `user="alice" or acting_as="alice"`},
		},
		"a subresource, nobody named": {
			fingerprint.ClusterKey{Resource: "pods/exec", Access: fingerprint.AccessConnect},
			nil,
			nil,
			[]string{`json stage="stage", group="objectRef.apiGroup", resource="objectRef.resource", subresource="objectRef.subresource" | stage!="RequestReceived" | group="" | resource="pods" | subresource="exec" # from`},
		},
		"evictions are created": {
			fingerprint.ClusterKey{Resource: "pods/eviction", Access: fingerprint.AccessDelete},
			nil,
			nil,
			[]string{`verb!~"get|list|watch|head|options"`},
		},
		"deletes": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessDelete},
			nil,
			nil,
			[]string{`verb=~"delete|deletecollection"`},
		},
		"escalation": {
			fingerprint.ClusterKey{APIGroup: "rbac.authorization.k8s.io", Resource: "rolebindings", Access: fingerprint.AccessEscalate},
			nil,
			nil,
			[]string{`verb!~"get|list|watch|head|options"`},
		},
		"a path template": {
			fingerprint.ClusterKey{Resource: "nonresource:/logs/{id}/...", Access: fingerprint.AccessRead},
			nil,
			nil,
			[]string{`uri="requestURI"`, `uri=~"/+logs/+[^/]+/+.+([?].*)?"`, `verb=~"get`},
		},
		"an escaped resource": {
			fingerprint.ClusterKey{Resource: "a%2Cb%25/c%3Ad", Access: fingerprint.AccessRead},
			nil,
			nil,
			[]string{`resource="a,b%"`, `subresource="c:d"`},
		},
		"a resource that was too long": {
			fingerprint.ClusterKey{Resource: "abc.d~0123456789abcdef", Access: fingerprint.AccessRead},
			nil,
			nil,
			[]string{`resource=~"abc\\.d.*"`},
		},
		"refused": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			nil,
			[]anomaly.Feature{{Name: "denied", Z: 5}},
			[]string{`decision="annotations[\"authorization.k8s.io/decision\"]"`, `decision="forbid"`},
		},
		"failed": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			nil,
			[]anomaly.Feature{{Name: "failed", Z: 5}},
			[]string{`code="responseStatus.code"`, `decision!="forbid" | code>=400`},
		},
		"fewer failures": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			nil,
			[]anomaly.Feature{{Name: "failed", Z: -5}},
			[]string{`verb=~"get|list|watch|head|options" # from`},
		},
		"the overflow": {
			fingerprint.ClusterKey{Role: "_overflow"},
			nil,
			nil,
			[]string{`{job="kubernetes-audit"} | json stage="stage" | stage!="RequestReceived" # from`},
		},
		"a hostile user": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			[]string{"\x1b[2J\"} | {{x}} `$y` é"},
			nil,
			[]string{`user="\x1b[2J\"\x7d | \x7b\x7bx\x7d\x7d ` + "`" + `\x24y` + "`" + ` \u00e9"`},
		},
		"hostile users": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			[]string{"a.*|b", "c\"d\xff"},
			nil,
			[]string{`user=~"a\\.\\*\\|b|c\"d\ufffd"`},
		},
		"a user that was too long": {
			fingerprint.ClusterKey{Resource: "pods", Access: fingerprint.AccessRead},
			[]string{strings.Repeat("é", 200)},
			nil,
			[]string{`user=~"` + strings.Repeat(`\u00e9`, 128) + `.*"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := scanner()
			a.Cluster, a.Subjects, a.Features = &tc.key, nil, tc.features
			for _, s := range tc.subjects {
				a.Subjects = append(a.Subjects, anomaly.Share{Name: s})
			}
			rest := From(a, DefaultConfig(), nil).LogQL
			for _, part := range tc.want {
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					t.Fatalf("no %s in %s", part, rest)
				}
				rest = after
			}
		})
	}
}

// FuzzQuoteLogQL: a quoted string is read back as it was, and as a regular
// expression it matches exactly the text that it was made from.
func FuzzQuoteLogQL(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.ToValidUTF8(s, "\ufffd")
		got, err := strconv.Unquote(quoteLogQL(s))
		if err != nil || got != want {
			t.Errorf("%q: read back as %q, %v", s, got, err)
		}
		matcher, err := strconv.Unquote(quoteLogQL(regexp.QuoteMeta(want)))
		if err != nil {
			t.Fatal(err)
		}
		re, err := regexp.Compile("^(?s:" + matcher + ")$")
		if err != nil || !re.MatchString(want) || re.MatchString(want+"x") {
			t.Errorf("%q: %v", s, err)
		}
	})
}
