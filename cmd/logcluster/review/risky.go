package review

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// RiskReport lists roles by how far they reach.
type RiskReport struct {
	SchemaVersion int `json:"schema_version"`
	// Roles are the most powerful first: by class, then by the most powerful
	// capability, then by the number of capabilities; bound before unbound ones.
	Roles []RiskyRole `json:"roles"`
	// Below is how many more roles there are below the least class asked for.
	Below int `json:"below"`
}

// RiskyRole is a role with what makes it powerful and who holds it.
type RiskyRole struct {
	Role  string     `json:"role"`
	Power rbac.Class `json:"power"`
	// ClusterWide says whether the power was judged as that of the whole cluster,
	// or as that of one namespace (all bindings are RoleBindings).
	ClusterWide  bool         `json:"cluster_wide"`
	Capabilities []string     `json:"capabilities"`
	Reasons      []RiskReason `json:"reasons"`
	// Missing says that only bindings name the role: it does not exist, and who
	// may create it gives its holders what he likes.
	Missing bool `json:"missing,omitempty"`
	// Bound is whether anybody holds it.
	Bound    bool          `json:"bound"`
	Bindings []RiskyHolder `json:"bindings"`

	capabilities rbac.Capability
}

// RiskReason is one capability and the rule that gives it.
type RiskReason struct {
	Capability string `json:"capability"`
	Text       string `json:"text"`
}

// RiskyHolder is a binding of a role and whom it names.
type RiskyHolder struct {
	Binding  string   `json:"binding"`
	Subjects []string `json:"subjects"`
}

// Risky returns the roles of a policy whose class is at least the least one.
func Risky(p *rbac.Policy, least rbac.Class) *RiskReport {
	report := &RiskReport{SchemaVersion: SchemaVersion, Roles: []RiskyRole{}}
	for _, info := range p.Roles() {
		if info.Power.Class < least {
			report.Below++
			continue
		}
		report.Roles = append(report.Roles, newRiskyRole(&info))
	}
	slices.SortStableFunc(report.Roles, func(a, b RiskyRole) int { return compareRisk(&a, &b) })
	return report
}

func newRiskyRole(info *rbac.RoleInfo) RiskyRole {
	r := RiskyRole{
		Role: info.Role.Key(), Power: info.Power.Class, ClusterWide: info.ClusterWide, Missing: !info.Exists,
		Capabilities: notNil(info.Power.Capabilities.Names()), Reasons: []RiskReason{}, Bindings: []RiskyHolder{},
		capabilities: info.Power.Capabilities,
	}
	slices.Reverse(r.Capabilities) // the most powerful first
	for i := range info.Reasons {
		r.Reasons = append(r.Reasons, RiskReason{info.Reasons[i].Capability.String(), info.Reasons[i].Text})
	}
	for i := range info.Bindings {
		b := &info.Bindings[i]
		h := RiskyHolder{Binding: BindingName(b.Binding), Subjects: []string{}}
		for _, s := range b.Subjects {
			h.Subjects = append(h.Subjects, SubjectName(s, b.Binding.Namespace))
		}
		r.Bound = r.Bound || len(h.Subjects) > 0
		r.Bindings = append(r.Bindings, h)
	}
	return r
}

func compareRisk(a, b *RiskyRole) int {
	bound := func(r *RiskyRole) int {
		if r.Bound {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(b.Power, a.Power),
		cmp.Compare(bits.Len32(uint32(b.capabilities)), bits.Len32(uint32(a.capabilities))),
		cmp.Compare(bound(a), bound(b)),
		cmp.Compare(bits.OnesCount32(uint32(b.capabilities)), bits.OnesCount32(uint32(a.capabilities))),
		cmp.Compare(a.Role, b.Role),
	)
}

// maxHolders is how many subjects a line of text names.
const maxHolders = 3

// WriteText writes the report for a person: a line for each role, then its
// reasons.
func (r *RiskReport) WriteText(w io.Writer) error {
	var text strings.Builder
	for i := range r.Roles {
		role := &r.Roles[i]
		fmt.Fprintf(&text, "%-8s  %s: %s\n", role.Power, safe(role.Role), safeText(role.heldBy()))
		for _, why := range role.why() {
			fmt.Fprintf(&text, "            %s\n", safeText(why))
		}
	}
	if r.Below > 0 {
		fmt.Fprintf(&text, "%s of less power not shown\n", plural(r.Below, "role"))
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// why returns the reasons, one for each capability.
func (r *RiskyRole) why() []string {
	var lines []string
	if r.Missing {
		lines = append(lines, "the role does not exist: whoever may create it decides what its holders may do")
	}
	last := ""
	for _, reason := range r.Reasons {
		if reason.Capability != last {
			lines = append(lines, reason.Capability+": "+reason.Text)
		}
		last = reason.Capability
	}
	return lines
}

// heldBy names some of the subjects of a role.
func (r *RiskyRole) heldBy() string {
	if !r.Bound {
		return "unbound"
	}
	var names []string
	seen := map[string]bool{}
	for i := range r.Bindings {
		for _, s := range r.Bindings[i].Subjects {
			if !seen[s] {
				seen[s] = true
				names = append(names, s)
			}
		}
	}
	if more := len(names) - maxHolders; more > 0 {
		names = append(names[:maxHolders], fmt.Sprintf("and %d more", more))
	}
	return "held by " + strings.Join(names, ", ")
}
