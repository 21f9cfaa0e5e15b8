package review

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// VerifyReport says whether RBAC objects are what an API server decided by.
type VerifyReport struct {
	SchemaVersion int  `json:"schema_version"`
	Observed      Span `json:"observed"`
	// Annotated are the events that the RBAC authorizer allowed, by the binding
	// in their annotation. Of these, Agreed are those whose binding is one that
	// allows them by the objects; UnknownBinding, whose binding the objects do
	// not hold; NotAllowing, whose binding is there and does not allow them.
	Annotated      uint64 `json:"annotated"`
	Agreed         uint64 `json:"agreed"`
	UnknownBinding uint64 `json:"unknown_binding"`
	NotAllowing    uint64 `json:"not_allowing"`
	// Denied are the events that were refused (decision forbid), and
	// DeniedButAllowed are those of them that the objects allow.
	Denied           uint64 `json:"denied"`
	DeniedButAllowed uint64 `json:"denied_but_allowed"`
	// Elsewhere are the events without an annotation of RBAC: allowed by the node
	// authorizer, a webhook or as system:masters, or recorded without it. They
	// are not compared.
	Elsewhere uint64 `json:"elsewhere"`
	// Explained and Unexplained are the disagreements: unknown_binding,
	// not_allowing and denied_but_allowed together. UnexplainedDenied are those
	// of the unexplained that are denied_but_allowed.
	Explained         uint64 `json:"explained"`
	Unexplained       uint64 `json:"unexplained"`
	UnexplainedDenied uint64 `json:"unexplained_denied_but_allowed"`
	// WritesApplied are the writes to RBAC objects in the log that carried the
	// objects, and WritesUnseen those that did not.
	WritesApplied uint64 `json:"writes_applied"`
	WritesUnseen  uint64 `json:"writes_unseen"`
	// Disagreements are the unexplained ones first, then by number; at most
	// 10,000 groups. Unlisted is how many events are in no group for that.
	Disagreements []Disagreement `json:"disagreements"`
	Unlisted      uint64         `json:"unlisted"`
	// Keyings compares ways of naming who acted.
	Keyings []Keying `json:"keyings"`
}

// Disagreement is events of one subject about which the log and the objects
// disagree in the same way.
type Disagreement struct {
	// Kind is unknown_binding, not_allowing or denied_but_allowed.
	Kind string `json:"kind"`
	User string `json:"user"`
	// Bindings and Roles are what the log names, or what allows by the objects
	// what was refused.
	Bindings []string `json:"bindings"`
	Roles    []string `json:"roles"`
	Events   uint64   `json:"events"`
	// Explained is how many of them are, and Explanation is one reason.
	Explained   uint64    `json:"explained"`
	Explanation string    `json:"explanation,omitempty"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	// AuditID and Request are those of one event, an unexplained one if there is
	// any.
	AuditID string `json:"audit_id"`
	Request string `json:"request"`
}

// Unexplained is how many of the events nothing explains.
func (d *Disagreement) Unexplained() uint64 { return d.Events - d.Explained }

// Report decides about what is still open and returns the result.
func (v *Verifier) Report(observed Span) *VerifyReport {
	v.judge()
	n := &v.counts
	r := &VerifyReport{
		SchemaVersion: SchemaVersion, Observed: observed,
		Annotated: n.annotated, Agreed: n.agreed, UnknownBinding: n.unknownBinding, NotAllowing: n.notAllowing,
		Denied: n.denied, DeniedButAllowed: n.deniedButAllowed, Elsewhere: n.elsewhere,
		Explained: n.explained, Unexplained: n.unexplained, UnexplainedDenied: n.unexplainedDenied,
		WritesApplied: v.writes.applied, WritesUnseen: v.writes.unseen,
		Disagreements: []Disagreement{}, Unlisted: n.explained + n.unexplained,
		Keyings: v.keyings.report(),
	}
	for _, g := range v.groups {
		d := g.report()
		r.Unlisted -= d.Events
		r.Disagreements = append(r.Disagreements, d)
	}
	slices.SortFunc(r.Disagreements, compareDisagreements)
	return r
}

func (g *group) report() Disagreement {
	d := Disagreement{
		Kind: g.kind, User: g.user, Events: g.explained + g.unexplained, Explained: g.explained, Explanation: g.why,
		First: time.Unix(0, g.first).UTC(), Last: time.Unix(0, g.last).UTC(),
		AuditID: g.example.id, Request: g.example.request,
	}
	for _, c := range g.concerned {
		d.Bindings = append(d.Bindings, BindingName(c.binding))
		d.Roles = append(d.Roles, c.role.Key())
	}
	return d
}

func compareDisagreements(a, b Disagreement) int {
	return cmp.Or(
		cmp.Compare(b.Unexplained(), a.Unexplained()),
		cmp.Compare(b.Events, a.Events),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.User, b.User),
		slices.Compare(a.Bindings, b.Bindings),
		slices.Compare(a.Roles, b.Roles),
	)
}

// WriteText writes the report for a person, with at most limit disagreements.
func (r *VerifyReport) WriteText(w io.Writer, limit int) error {
	t := newTable(w)
	for _, line := range []struct {
		name string
		n    uint64
		what string
	}{
		{"annotated", r.Annotated, "allowed by RBAC, with the binding in the annotation"},
		{"agreed", r.Agreed, "the binding is one of those that allow it"},
		{"unknown_binding", r.UnknownBinding, "the objects do not hold the binding"},
		{"not_allowing", r.NotAllowing, "they hold the binding, and it does not allow it"},
		{"denied", r.Denied, "refused"},
		{"denied_but_allowed", r.DeniedButAllowed, "refused, though the objects allow it"},
		{"explained", r.Explained, "of the disagreements: the objects had changed by then"},
		{"unexplained", r.Unexplained, "of the disagreements: the objects are not what the server decided by"},
		{"elsewhere", r.Elsewhere, "not decided by RBAC, or not annotated: not compared"},
	} {
		t.row(line.name, fmt.Sprintf("%11s", thousands(line.n)), line.what)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := r.writeDisagreements(w, limit); err != nil {
		return err
	}
	return r.writeKeyings(w)
}

func (r *VerifyReport) writeDisagreements(w io.Writer, limit int) error {
	var text strings.Builder
	for i := range r.Disagreements[:min(limit, len(r.Disagreements))] {
		r.Disagreements[i].write(&text)
	}
	if more := len(r.Disagreements) - limit; more > 0 {
		fmt.Fprintf(&text, "\nand %d more: --list shows more of them, --output json all\n", more)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// write writes a disagreement in a few lines.
func (d *Disagreement) write(text *strings.Builder) {
	word := "EXPLAINED  "
	if d.Unexplained() > 0 {
		word = "UNEXPLAINED"
	}
	fmt.Fprintf(text, "\n%s %s  %s: %s\n", word, thousands(d.Events), d.Kind, safe(d.User))
	for i := range d.Bindings {
		fmt.Fprintf(text, "  by   %s of %s\n", safe(d.Bindings[i]), safe(d.Roles[i]))
	}
	fmt.Fprintf(text, "  from %s to %s, such as %s (%s)\n", clock(&d.First), clock(&d.Last), safe(d.Request), safe(d.AuditID))
	if d.Explained == 0 {
		return
	}
	some := ""
	if d.Unexplained() > 0 {
		some = fmt.Sprintf(" (%s of them)", thousands(d.Explained))
	}
	fmt.Fprintf(text, "  for  %s%s\n", safe(d.Explanation), some)
}

func (r *VerifyReport) writeKeyings(w io.Writer) error {
	fmt.Fprintln(w)
	t := newTable(w, "KEYED BY", "KEYS", "EVENTS A KEY: MEDIAN", "MAX", "WITHOUT A KEY")
	for _, k := range r.Keyings {
		t.row(k.Name, thousands(uint64(k.Keys)), fmt.Sprint(k.Median), thousands(k.Max), thousands(k.Unkeyed))
	}
	return t.flush()
}
