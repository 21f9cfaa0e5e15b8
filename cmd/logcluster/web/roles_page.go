package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How much of the roles the page draws; the API gives all.
const (
	maxTenants     = 50
	maxFamilies    = 200  // of a tenant, those of several roles and those of one each
	maxAllFamilies = 1000 // of all tenants together
	maxMembers     = 100  // of a family
	maxAllMembers  = 5000 // of all families together
)

// drawing is what has been drawn of the families: of those of one ID, the first
// has the anchor.
type drawing struct {
	anchors           map[string]bool
	families, members int
}

// rolesView is the page of the roles as text: the template decides nothing.
type rolesView struct {
	layout
	Tiles    []tile
	Notices  []notice
	Families []tenantView
	Others   int // tenants whose families are not shown
	Policies []policyView
	Budgets  *budgetsView // nil without tenants
}

// tenantView are the families of a tenant.
type tenantView struct {
	Tenant, Facts string
	Fit           string // empty when nobody can be compared
	// Shared are the families of several roles, Alone those of one.
	Shared, Alone         []familyView
	AloneText             string
	MoreShared, MoreAlone int
}

type familyView struct {
	// Anchor is for links to the family; empty for one that has been drawn
	// under another tenant. Key is the same, and never empty.
	Anchor, Key              string
	Name, Power, Size, Since string
	// Silhouette and Members are empty for a family of one, whose name is its
	// member.
	Silhouette string
	Members    []string
	More       int
}

type policyView struct {
	Tenant, Facts string
	Sources       []sourceView
	Objects       []fact
	Recent        []versionView
}

type sourceView struct {
	Name, State, Loaded string
	Alarm               bool
}

type versionView struct{ Version, From, Changes, Source string }

type fact struct{ Name, Value string }

type budgetsView struct {
	Columns []string
	Rows    []budgetRow
	More    int
}

type budgetRow struct {
	Tenant            string
	Overridden, Alarm bool
	Cells             []budgetCell
	Refused, By       string
}

// budgetCell is the use of one budget. Width is how much of it is used, in
// percent; empty when there is nothing to draw.
type budgetCell struct{ Name, Text, Width string }

func newRolesView(l layout, s Status, families []Families, policies []Policy, tenants []Budgets, now time.Time) rolesView {
	v := rolesView{
		layout: l, Tiles: roleTiles(families, policies, tenants, s.Watermark),
		Notices: newNotices(policies, tenants, now, maxRolesNotices), Budgets: newBudgetsView(tenants),
	}
	d := &drawing{anchors: make(map[string]bool)}
	v.Others = max(0, len(families)-maxTenants)
	for i := range families[:len(families)-v.Others] {
		v.Families = append(v.Families, newTenantView(&families[i], d, s.Watermark))
	}
	for i := range policies {
		v.Policies = append(v.Policies, newPolicyView(&policies[i], s, now))
	}
	return v
}

func roleTiles(families []Families, policies []Policy, tenants []Budgets, watermark time.Time) []tile {
	policy, objects := tile{Name: "Policy", Value: "none", Note: "roles by the audit log"}, tile{Name: "RBAC objects", Value: "0", Note: "no policy"}
	unseen := tile{Name: "Changes not seen", Value: "0", Note: "writes without contents"}
	var count, bindings, missed int
	var newest time.Time
	for i := range policies {
		p := &policies[i]
		count += p.Objects.total()
		bindings += p.Objects.ClusterRoleBindings + p.Objects.RoleBindings
		missed += int(p.Unseen)
		if p.InForceSince.After(newest) {
			newest = p.InForceSince
		}
	}
	if len(policies) > 0 {
		policy.Value, policy.Note = plural(len(policies), "policy", "policies"), "the newest since "+since(newest, watermark)
		if len(policies) == 1 {
			policy.Value, policy.Note = "version "+thousands(float64(policies[0].Version)), "in force since "+since(newest, watermark)
		}
		objects.Value = thousands(float64(count))
		objects.Note = fmt.Sprintf("%s roles, %s bindings", thousands(float64(count-bindings)), thousands(float64(bindings)))
		unseen.Value, unseen.Alarm = thousands(float64(missed)), missed > 0
	}
	var roles, learned int
	for i := range families {
		roles += families[i].Roles
		learned += len(families[i].Families)
	}
	over := 0
	for i := range tenants {
		if tenants[i].over() {
			over++
		}
	}
	return []tile{
		policy, objects, unseen,
		{Name: "Role families", Value: thousands(float64(learned)), Note: "of " + plural(roles, "role", "roles")},
		{Name: "Tenants", Value: thousands(float64(len(tenants))), Note: "with budgets"},
		{Name: "Budgets used up", Value: thousands(float64(over)), Note: "tenants", Alarm: over > 0},
	}
}

func (o Objects) total() int {
	return o.ClusterRoles + o.Roles + o.ClusterRoleBindings + o.RoleBindings
}

// over reports whether a limit is reached.
func (b *Budgets) over() bool {
	return slices.ContainsFunc(b.Budgets, func(b Budget) bool { return b.Limit > 0 && b.Used >= b.Limit })
}

func newTenantView(f *Families, d *drawing, watermark time.Time) tenantView {
	facts := []string{
		plural(f.Roles, "role", "roles") + " in " + plural(len(f.Families), "family", "families"),
		"learned " + clock(f.LearnedAt, watermark),
	}
	if f.Silhouette != nil {
		facts = append(facts, fmt.Sprintf("silhouette %s over %s", score(*f.Silhouette), plural(f.Compared, "role", "roles")))
	}
	facts = append(facts, "stability "+percent(f.Stability))
	v := tenantView{Tenant: f.Tenant, Facts: strings.Join(facts, " · "), Fit: fitFacts(f.Fit)}
	sorted := slices.Clone(f.Families)
	slices.SortStableFunc(sorted, func(a, b Family) int {
		return cmp.Or(len(b.Members)-len(a.Members), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	for i := range sorted {
		into, more := &v.Shared, &v.MoreShared
		if len(sorted[i].Members) < 2 {
			into, more = &v.Alone, &v.MoreAlone
		}
		if len(*into) >= maxFamilies || d.families >= maxAllFamilies {
			*more++
			continue
		}
		d.families++
		*into = append(*into, newFamilyView(f.Tenant, &sorted[i], d, watermark))
	}
	v.AloneText = plural(len(v.Alone)+v.MoreAlone, "role", "roles") + " like no other"
	return v
}

// fitFacts says how well roles describe their subjects; empty when nobody can be
// compared.
func fitFacts(f *Fit) string {
	if f == nil {
		return ""
	}
	var facts []string
	if f.Silhouette != nil {
		facts = append(facts, fmt.Sprintf("subjects fit their roles with a silhouette of %s (%s)", score(*f.Silhouette), plural(f.Subjects, "subject", "subjects")))
	}
	if f.Silhouette != nil && len(f.Roles) > 0 {
		facts = append(facts, fmt.Sprintf("worst %s: %s", score(f.Roles[0].Silhouette), spaced(f.Roles[0].Role)))
	}
	if f.Stability != nil {
		facts = append(facts, fmt.Sprintf("%s of the subjects of %s were active in the window before too", percent(*f.Stability), plural(f.Clusters, "cluster", "clusters")))
	}
	return strings.Join(facts, " · ")
}

func newFamilyView(tenant string, f *Family, d *drawing, watermark time.Time) familyView {
	v := familyView{
		Key: "family-" + tenant + "-" + f.ID, Name: spaced(f.Name), Power: f.Class,
		Size: plural(len(f.Members), "role", "roles"), Since: clock(f.Since, watermark),
	}
	if len(f.Members) > 1 {
		v.Silhouette = score(f.Silhouette)
		for _, m := range f.Members[:min(len(f.Members), maxMembers, maxAllMembers-d.members)] {
			v.Members = append(v.Members, spaced(m))
		}
		d.members += len(v.Members)
		v.More = len(f.Members) - len(v.Members)
	}
	if !d.anchors[f.ID] {
		d.anchors[f.ID], v.Anchor = true, "family-"+f.ID
	}
	return v
}

// spaced shows a set of roles so that it can be broken into lines.
func spaced(roles string) string { return strings.ReplaceAll(roles, ",", ", ") }

// since shows from when something is in force.
func since(t, watermark time.Time) string {
	if t.IsZero() {
		return "the start"
	}
	return clock(t, watermark)
}

// score shows a number from -1 to 1.
func score(x float64) string {
	return strings.Replace(strconv.FormatFloat(x, 'f', 2, 64), "-", "−", 1)
}

func newPolicyView(p *Policy, s Status, now time.Time) policyView {
	age := ""
	if d := s.Watermark.Sub(p.InForceSince); d > 0 && !p.InForceSince.IsZero() {
		age = ", " + span(d) + " of event time"
	}
	v := policyView{
		Tenant: p.Tenant,
		Facts: fmt.Sprintf("Version %s, in force since %s%s · %s · %s held for windows that are open",
			thousands(float64(p.Version)), since(p.InForceSince, s.Watermark), age,
			plural(p.Objects.total(), "object", "objects"), plural(p.Held, "version", "versions")),
		Objects: []fact{
			{"Cluster roles", thousands(float64(p.Objects.ClusterRoles))},
			{"Roles", thousands(float64(p.Objects.Roles))},
			{"Cluster role bindings", thousands(float64(p.Objects.ClusterRoleBindings))},
			{"Role bindings", thousands(float64(p.Objects.RoleBindings))},
			{"Changes not seen", thousands(float64(p.Unseen))},
		},
	}
	for _, source := range p.Sources {
		v.Sources = append(v.Sources, newSourceView(source, now))
	}
	for _, r := range p.Recent {
		v.Recent = append(v.Recent, versionView{
			thousands(float64(r.Version)), since(r.InForceFrom, s.Watermark), thousands(float64(r.Changes)), spaced(r.Source),
		})
	}
	return v
}

func newSourceView(s PolicySource, now time.Time) sourceView {
	v := sourceView{Name: s.Source, State: "in use", Loaded: "never"}
	if !s.LoadedAt.IsZero() {
		v.Loaded = span(now.Sub(s.LoadedAt)) + " ago"
	}
	switch age := now.Sub(s.CheckedAt); {
	case s.Problem != "":
		v.State, v.Alarm = s.Problem, true
	case s.LoadedAt.IsZero():
		v.State = "nothing yet"
	case s.CheckedAt.IsZero():
		// What it told is in use; whether it is the last word is not known.
	case age > staleAfter:
		v.State, v.Alarm = "not heard of for "+span(age), true
	default:
		v.State = "up to date"
	}
	return v
}

// newBudgetsView draws those past a budget first, then those that use most of
// one.
func newBudgetsView(tenants []Budgets) *budgetsView {
	if len(tenants) == 0 {
		return nil
	}
	sorted := slices.Clone(tenants)
	slices.SortStableFunc(sorted, func(a, b Budgets) int {
		return cmp.Or(cmp.Compare(b.use(), a.use()), cmp.Compare(b.refused(), a.refused()), strings.Compare(a.Tenant, b.Tenant))
	})
	v := &budgetsView{More: max(0, len(sorted)-maxTenants)}
	for _, b := range sorted[0].Budgets {
		v.Columns = append(v.Columns, capital(budgetName(b.Budget)))
	}
	for i := range sorted[:len(sorted)-v.More] {
		v.Rows = append(v.Rows, newBudgetRow(&sorted[i]))
	}
	return v
}

func newBudgetRow(t *Budgets) budgetRow {
	r := budgetRow{Tenant: t.Tenant, Overridden: t.Overridden, Alarm: t.over(), Refused: thousands(float64(t.refused()))}
	var by []string
	for _, b := range t.Budgets {
		r.Cells = append(r.Cells, newBudgetCell(b))
		if b.Refused > 0 {
			by = append(by, thousands(float64(b.Refused))+" by "+budgetName(b.Budget))
		}
	}
	r.By = strings.Join(by, ", ")
	return r
}

func newBudgetCell(b Budget) budgetCell {
	c := budgetCell{Name: capital(budgetName(b.Budget))}
	limit := thousands(float64(b.Limit))
	switch {
	case b.Used < 0 && b.Limit <= 0:
		c.Text = "no limit"
	case b.Used < 0:
		c.Text = "at most " + limit
	case b.Limit <= 0:
		c.Text = thousands(float64(b.Used)) + ", no limit"
	default:
		c.Text = thousands(float64(b.Used)) + " of " + limit
		c.Width = coordinate(min(100, 100*float64(b.Used)/float64(b.Limit)))
	}
	return c
}

// use is the largest share of a budget that is used.
func (b *Budgets) use() (most float64) {
	for _, x := range b.Budgets {
		if x.Limit > 0 {
			most = max(most, float64(x.Used)/float64(x.Limit))
		}
	}
	return most
}

func (b *Budgets) refused() (n uint64) {
	for _, x := range b.Budgets {
		n += x.Refused
	}
	return n
}

// capital begins a text with a capital letter.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
