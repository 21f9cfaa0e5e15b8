package policy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Limits of what is read from a record. A record is text that anybody with
// access to the topic can write: decoding it must not cost many times its size.
const (
	// MaxObjectBytes bounds the JSON of one object. etcd takes 1.5 MiB.
	MaxObjectBytes = 2 << 20
	// MaxListItems bounds the objects that one deletion of a collection names.
	MaxListItems = 10_000
)

// Sighting is what an event tells about the policy.
type Sighting uint8

// The sightings. NoChange is the zero value.
const (
	// NoChange: the event did not change the policy.
	NoChange Sighting = iota
	// Applied: the event changed the policy, and the changes are all it did.
	Applied
	// Unseen: the event changed the policy, or may have, and does not carry
	// how. The policy may be stale until another source tells.
	Unseen
)

var sightingNames = [...]string{NoChange: "no_change", Applied: "applied", Unseen: "unseen"}

// String returns the sighting as it is written in output and metrics:
// no_change, applied or unseen.
func (s Sighting) String() string {
	if int(s) < len(sightingNames) {
		return sightingNames[s]
	}
	return fmt.Sprintf("Sighting(%d)", uint8(s))
}

// FromEvent returns what an audit event changed in the policy, and how much of
// it the event shows. The changes are not nil only if it is Applied; they own
// their strings.
//
// A create, update or patch puts the object that the server answered with, so
// its record must carry that (audit level RequestResponse). A delete needs
// nothing but the name. Who leaves is told apart from who is gone: an object
// that was deleted but has finalizers stays in force, as it does for the API
// server's authorizer, until an update takes the last one away. The one
// exception is a deletion in the foreground whose record has no body: it looks
// as if it were done at once, and usually is, seconds later.
//
// A write that the server refused, or that was a dry run, changed nothing; one
// that timed out, and a deletion of a collection that broke off, may have.
// What does not fit together (a body of another kind or about another object
// than the request, or one larger than [MaxObjectBytes]) is Unseen.
func FromEvent(e *fingerprint.Event) ([]rbac.Change, Sighting) {
	if e.Resource.Group != rbacv1.GroupName || e.Resource.Subresource != "" || e.DryRun {
		return nil, NoChange
	}
	k, ok := kindNamed(&resourceNames, e.Resource.Name)
	if !ok || !isWrite(e.Verb) {
		return nil, NoChange
	}
	if sighting := outcome(e); sighting != Applied {
		return nil, sighting
	}
	w := rbacWrite{Event: e, kind: k}
	switch e.Verb {
	case "delete":
		return w.deletion()
	case "deletecollection":
		return w.collection()
	default:
		return w.put()
	}
}

func isWrite(verb string) bool {
	switch verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// outcome returns Applied if the write succeeded, Unseen if nobody knows.
func outcome(e *fingerprint.Event) Sighting {
	switch {
	case e.Code/100 == 2:
		return Applied
	case e.Decision == fingerprint.DecisionForbid:
		return NoChange
	case e.Code == 0 || e.Code == http.StatusGatewayTimeout,
		e.Verb == "deletecollection" && e.Code >= http.StatusInternalServerError:
		return Unseen
	}
	return NoChange
}

// rbacWrite is a successful write to an RBAC object.
type rbacWrite struct {
	*fingerprint.Event
	kind kind
}

// body is what is read of a response at first.
type body struct {
	text []byte
	typeMeta
	Metadata metav1.ObjectMeta `json:"metadata"`
	Status   json.RawMessage   `json:"status"`
	Items    []json.RawMessage `json:"items"`
	Rows     []struct {
		Object json.RawMessage `json:"object"`
	} `json:"rows"`
}

// form is the shape of an answer.
type form uint8

const (
	unreadable form = iota
	absent          // the record has no body
	done            // a Status that says so
	whole           // the object
	named           // its metadata only
	many            // a list of objects or of metadata
)

// read tells what the response is, and decodes what all forms of it have.
func (w *rbacWrite) read() (body, form) {
	if len(w.Object) == 0 {
		return body{}, absent
	}
	b, f := readBody(w.Object, w.kind)
	if f == many && w.Verb != "deletecollection" {
		// kubectl asks for tables: of one object it has one row.
		if b.Kind != "Table" || len(b.Rows) != 1 {
			return b, unreadable
		}
		if b, f = readBody(b.Rows[0].Object, w.kind); f == many {
			return b, unreadable
		}
	}
	return b, f
}

func readBody(text []byte, k kind) (b body, f form) {
	b.text = text
	if kjson.UnmarshalCaseSensitivePreserveInts(text, &b) != nil {
		return b, unreadable
	}
	group, _, _ := strings.Cut(b.APIVersion, "/")
	switch {
	case group == rbacv1.GroupName && b.Kind == k.String() && len(text) <= MaxObjectBytes:
		return b, whole
	case group == rbacv1.GroupName && b.Kind == k.String()+"List":
		return b, many
	case b.APIVersion == "v1" && b.Kind == "Status" && string(b.Status) == `"`+metav1.StatusSuccess+`"`:
		return b, done
	case group != metav1.GroupName:
		return b, unreadable
	case b.Kind == "PartialObjectMetadata":
		return b, named
	case b.Kind == "PartialObjectMetadataList" || b.Kind == "Table":
		return b, many
	}
	return b, unreadable
}

// put is what a create, update or patch changed.
func (w *rbacWrite) put() ([]rbac.Change, Sighting) {
	b, f := w.read()
	if f != whole && f != named || !w.isAbout(&b.Metadata) {
		return nil, Unseen
	}
	if b.Metadata.DeletionTimestamp != nil && len(b.Metadata.Finalizers) == 0 {
		return w.gone(&b.Metadata) // it took the last finalizer away
	}
	if f == named {
		return nil, Unseen
	}
	return w.held(b.text)
}

// deletion is what a delete changed.
func (w *rbacWrite) deletion() ([]rbac.Change, Sighting) {
	b, f := w.read()
	meta := &b.Metadata
	switch f {
	case absent, done:
		meta = &metav1.ObjectMeta{Namespace: w.Resource.Namespace, Name: w.Resource.Object}
		if w.Code == http.StatusAccepted { // not yet
			return nil, Unseen
		}
	case whole, named:
	default:
		return nil, Unseen
	}
	switch {
	case !w.isAbout(meta):
		return nil, Unseen
	case meta.DeletionTimestamp == nil || len(meta.Finalizers) == 0:
		return w.gone(meta)
	case f == named:
		return nil, NoChange
	}
	return w.held(b.text)
}

// collection is what a deletecollection changed: the server answers with the
// objects as it found them.
func (w *rbacWrite) collection() ([]rbac.Change, Sighting) {
	b, f := w.read()
	if f != many {
		return nil, Unseen
	}
	items := b.Items
	for _, row := range b.Rows {
		items = append(items, row.Object)
	}
	if len(items) > MaxListItems {
		return nil, Unseen
	}
	changes := make([]rbac.Change, 0, len(items))
	for _, item := range items {
		var o metav1.PartialObjectMetadata
		if kjson.UnmarshalCaseSensitivePreserveInts(item, &o) != nil || !w.isAbout(&o.ObjectMeta) {
			return nil, Unseen
		}
		if len(o.Finalizers) == 0 {
			changes = append(changes, w.kind.deleted(o.Namespace, o.Name))
		}
	}
	if len(changes) == 0 {
		return nil, NoChange
	}
	return changes, Applied
}

// isAbout reports whether an object is the one, or one of those, that the
// request was about. Only the name of one that the server made up
// (generateName) is not in the request.
func (w *rbacWrite) isAbout(meta *metav1.ObjectMeta) bool {
	r := &w.Resource
	return meta.Name != "" && meta.Namespace == r.Namespace && w.kind.namespaced() == (r.Namespace != "") &&
		(meta.Name == r.Object || r.Object == "" && (w.Verb == "create" || w.Verb == "deletecollection"))
}

// held is the change that puts the object.
func (w *rbacWrite) held(text []byte) ([]rbac.Change, Sighting) {
	c, err := w.kind.decode(func(into any) error { return kjson.UnmarshalCaseSensitivePreserveInts(text, into) })
	if err != nil || !plausible(&c) {
		return nil, Unseen
	}
	strip(metaOf(&c))
	return []rbac.Change{c}, Applied
}

// plausible reports whether an API server would have written the object: not
// one that is large in memory and says nothing.
func plausible(c *rbac.Change) bool {
	var rules []rbacv1.PolicyRule
	var subjects []rbacv1.Subject
	switch {
	case c.Role != nil:
		rules = c.Role.Rules
	case c.ClusterRole != nil:
		rules = c.ClusterRole.Rules
	case c.RoleBinding != nil:
		subjects = c.RoleBinding.Subjects
	default:
		subjects = c.ClusterRoleBinding.Subjects
	}
	return !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return len(r.Verbs) == 0 }) &&
		!slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return s.Name == "" })
}

func (w *rbacWrite) gone(meta *metav1.ObjectMeta) ([]rbac.Change, Sighting) {
	return []rbac.Change{w.kind.deleted(strings.Clone(meta.Namespace), strings.Clone(meta.Name))}, Applied
}
