package review

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// FamilyReport says which roles are alike, and how that held over time.
type FamilyReport struct {
	SchemaVersion int `json:"schema_version"`
	// Tenants are in ascending order of name.
	Tenants []TenantFamilies `json:"tenants"`
}

// TenantFamilies are the families of one tenant as they were learned last, and
// what came before.
type TenantFamilies struct {
	web.Families
	// Retrains is how often families were learned, and First when for the first
	// time.
	Retrains int       `json:"retrains"`
	First    time.Time `json:"first_learned_at"`
	// MeanStability is the mean over all retrains but the first, 1 without any;
	// LeastStability the least of them, and LeastAt when that was.
	MeanStability  float64    `json:"mean_stability"`
	LeastStability float64    `json:"least_stability"`
	LeastAt        *time.Time `json:"least_stability_at"`
}

// FamilyHistory follows what is learned of families at each retrain.
type FamilyHistory struct{ tenants map[string]*familyHistory }

// NewFamilyHistory returns an empty history.
func NewFamilyHistory() *FamilyHistory {
	return &FamilyHistory{tenants: map[string]*familyHistory{}}
}

// familyHistory is that of one tenant.
type familyHistory struct {
	last         *family.Families
	first        int64
	retrains     int
	sum, least   float64
	leastLearned int64
}

// Learned takes in what was learned at one time. It is kept.
func (h *FamilyHistory) Learned(f *family.Families) {
	t := h.tenants[f.Tenant]
	if t == nil {
		h.tenants[f.Tenant] = &familyHistory{last: f, first: f.At, retrains: 1, least: 1}
		return
	}
	t.last = f
	t.retrains++
	t.sum += f.Stability
	if f.Stability < t.least {
		t.least, t.leastLearned = f.Stability, f.At
	}
}

// Report returns the families learned last.
func (h *FamilyHistory) Report() *FamilyReport {
	r := &FamilyReport{SchemaVersion: SchemaVersion, Tenants: []TenantFamilies{}}
	for _, name := range slices.Sorted(maps.Keys(h.tenants)) {
		t := h.tenants[name]
		tenant := TenantFamilies{
			Families: Families(t.last), Retrains: t.retrains, First: time.Unix(0, t.first).UTC(),
			MeanStability: 1, LeastStability: t.least, LeastAt: timeOf(t.leastLearned),
		}
		if t.retrains > 1 {
			tenant.MeanStability = t.sum / float64(t.retrains-1)
		}
		r.Tenants = append(r.Tenants, tenant)
	}
	return r
}

// Families returns what was learned at one time as the API shows it: those with
// the most members first, names made safe to show.
func Families(f *family.Families) web.Families {
	out := web.Families{
		Tenant: safe(f.Tenant), LearnedAt: time.Unix(0, f.At).UTC(),
		Roles: f.Roles, Compared: f.Compared, Stability: f.Stability, Families: []web.Family{},
	}
	if f.Compared > 0 {
		silhouette := f.Silhouette
		out.Silhouette = &silhouette
	}
	for i := range f.Families {
		one := &f.Families[i]
		members := make([]string, len(one.Members))
		for k, m := range one.Members {
			members[k] = safeText(m)
		}
		out.Families = append(out.Families, web.Family{
			ID: one.ID, Name: safeText(one.Name), Class: one.Class.String(),
			Members: members, Silhouette: one.Silhouette, Since: time.Unix(0, one.Since).UTC(),
		})
	}
	slices.SortStableFunc(out.Families, func(a, b web.Family) int { return cmp.Compare(len(b.Members), len(a.Members)) })
	return out
}

// Of returns the family of a role key, as [Explain] shows it, in the first tenant
// that has one; nil when none has.
func (r *FamilyReport) Of(role string) *web.FamilyRef {
	for i := range r.Tenants {
		if f := familyOf(r.Tenants[i].Families.Families, role); f != nil {
			return f
		}
	}
	return nil
}

// WriteText writes the report for a person: each family with its members, then
// how many roles are like no other.
func (r *FamilyReport) WriteText(w io.Writer) error {
	var text strings.Builder
	for i := range r.Tenants {
		if i > 0 {
			text.WriteByte('\n')
		}
		r.Tenants[i].write(&text)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (t *TenantFamilies) write(text *strings.Builder) {
	fmt.Fprintf(text, "tenant %s: %s, families: %d, learned at %s\n",
		t.Tenant, plural(t.Roles, "role key"), len(t.Families.Families), clock(&t.LearnedAt))
	silhouette := "no opinion: no family has several roles and another one of its class beside it"
	if t.Silhouette != nil {
		silhouette = fmt.Sprintf("%.2f, the mean over %s", *t.Silhouette, plural(t.Compared, "role key"))
	}
	fmt.Fprintf(text, "silhouette %s\n", silhouette)
	fmt.Fprintf(text, "stability %.3f, the mean over %s from %s", t.MeanStability, plural(t.Retrains, "retrain"), clock(&t.First))
	if t.LeastAt != nil {
		fmt.Fprintf(text, "; least %.3f at %s", t.LeastStability, clock(t.LeastAt))
	}
	text.WriteByte('\n')
	alone := 0
	for _, f := range t.Families.Families {
		if len(f.Members) == 1 {
			alone++
			continue
		}
		fmt.Fprintf(text, "\n%s: %d role keys, %s, silhouette %.2f, since %s (id %s)\n",
			f.Name, len(f.Members), f.Class, f.Silhouette, clock(&f.Since), f.ID)
		for _, m := range f.Members {
			fmt.Fprintf(text, "  %s\n", m)
		}
	}
	if alone > 0 {
		fmt.Fprintf(text, "\n%s like no other; --output json lists them\n", plural(alone, "role key"))
	}
}
