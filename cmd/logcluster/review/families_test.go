package review

import (
	"bytes"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func TestFamilyHistory(t *testing.T) {
	h := NewFamilyHistory()
	editors := family.Family{
		ID: "00000000000000aa", Name: "Role/team-*/edit\x1b[m", Class: rbac.ClassWrite, Silhouette: 0.9, Since: 600 * second,
		Members: []string{"Role/team-a/edit", "Role/team-b/edit"},
	}
	alone := family.Family{ID: "0000000000000001", Name: "ClusterRole/root", Class: rbac.ClassAdmin, Members: []string{"ClusterRole/root"}}
	for i, stability := range []float64{1, 0.5, 0.9} {
		h.Learned(&family.Families{
			Tenant: "b", At: int64(i+1) * 600 * second, Families: []family.Family{alone, editors},
			Roles: 3, Compared: 2, Silhouette: 0.9, Stability: stability,
		})
	}
	h.Learned(&family.Families{Tenant: "a", At: 600 * second, Families: []family.Family{alone}, Roles: 1, Stability: 1})
	r := h.Report()
	if len(r.Tenants) != 2 || r.Tenants[0].Tenant != "a" || r.Tenants[0].Silhouette != nil || r.Tenants[0].MeanStability != 1 {
		t.Fatalf("report %+v", r)
	}
	b := r.Tenants[1]
	if b.Retrains != 3 || b.MeanStability != 0.7 || b.LeastStability != 0.5 || b.LeastAt.Unix() != 1200 ||
		b.First.Unix() != 600 || b.LearnedAt.Unix() != 1800 || *b.Silhouette != 0.9 || len(b.Families.Families[0].Members) != 2 {
		t.Errorf("tenant %+v", b)
	}
	if f := r.Of("Role/team-b/edit"); f == nil || f.ID != editors.ID || f.Members != 2 || r.Of("Role/team-c/edit") != nil {
		t.Errorf("family %+v", f)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tenant a: 1 role key, families: 1, learned at 1970-01-01 00:10\nsilhouette no opinion",
		"stability 0.700, the mean over 3 retrains from 1970-01-01 00:10; least 0.500 at 1970-01-01 00:20\n",
		`Role/team-*/edit\x1b[m: 2 role keys, write, silhouette 0.90, since 1970-01-01 00:10 (id 00000000000000aa)`,
		"  Role/team-b/edit\n\n1 role key like no other",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, &text)
		}
	}
}
