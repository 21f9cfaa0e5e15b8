package family

import (
	"math"
	"testing"
)

// partition makes families of the given members, learned at a time.
func partition(at int64, families ...[]string) *Families {
	f := &Families{Tenant: "t", At: at}
	for _, members := range families {
		f.Families = append(f.Families, Family{Members: members})
		f.Roles += len(members)
	}
	return f
}

func TestIdentity(t *testing.T) {
	for _, tc := range []struct {
		name        string
		before, now [][]string
		// goesOn gives for a member of a family of now a member of the one
		// before that it continues, "" for a new one.
		goesOn map[string]string
	}{
		{"unchanged", [][]string{{"a", "b"}, {"c"}}, [][]string{{"c"}, {"a", "b"}}, map[string]string{"a": "a", "c": "c"}},
		{"split: the larger part goes on", [][]string{{"a", "b", "c"}}, [][]string{{"a"}, {"b", "c"}}, map[string]string{"a": "", "b": "b"}},
		{"merger: the larger one goes on", [][]string{{"a"}, {"b", "c"}}, [][]string{{"a", "b", "c"}}, map[string]string{"a": "b"}},
		{"equal parts: the larger share of both", [][]string{{"a", "b"}}, [][]string{{"a", "x", "y"}, {"b"}}, map[string]string{"a": "", "b": "b"}},
		{"one moves", [][]string{{"a", "b", "c"}, {"d", "e"}}, [][]string{{"a", "b"}, {"c", "d", "e"}}, map[string]string{"a": "a", "c": "d"}},
		{"all new", [][]string{{"a"}}, [][]string{{"b", "c"}}, map[string]string{"b": ""}},
		{"swapped", [][]string{{"a", "b", "c"}, {"d", "e", "f"}}, [][]string{{"a", "d", "e"}, {"b", "c", "f"}}, map[string]string{"a": "d", "b": "b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, now := partition(1, tc.before...), partition(2, tc.now...)
			before.identify(nil)
			now.identify(before)
			for member, old := range tc.goesOn {
				family := now.Of(member)
				switch {
				case old == "" && family.Since != 2:
					t.Errorf("the family of %s is not new: %+v", member, family)
				case old != "" && (family.ID != before.Of(old).ID || family.Since != 1):
					t.Errorf("the family of %s is %+v, not that of %s before: %+v", member, family, old, before.Of(old))
				}
			}
		})
	}
}

// Where two equal families merge, the older one goes on.
func TestTheOlderIdentityWins(t *testing.T) {
	for _, older := range []int{0, 1} {
		before, now := partition(9, []string{"a", "b"}, []string{"c", "d"}), partition(10, []string{"a", "b", "c", "d"})
		before.identify(nil)
		before.Families[older].Since = 3
		now.identify(before)
		if now.Families[0].ID != before.Families[older].ID || now.Families[0].Since != 3 {
			t.Errorf("%+v does not continue %+v", now.Families[0], before.Families[older])
		}
	}
}

func TestStability(t *testing.T) {
	for _, tc := range []struct {
		name        string
		before, now [][]string
		want        float64
	}{
		{"nothing together", [][]string{{"a"}, {"b"}}, [][]string{{"a"}, {"b"}}, 1},
		{"the same", [][]string{{"a", "b"}, {"c"}}, [][]string{{"a", "b"}, {"c"}}, 1},
		{"all parted", [][]string{{"a", "b", "c"}}, [][]string{{"a"}, {"b"}, {"c"}}, 0},
		// Before: ab ac bc de; now: ab cd ce de; both: ab de of six.
		{"one moved", [][]string{{"a", "b", "c"}, {"d", "e"}}, [][]string{{"a", "b"}, {"c", "d", "e"}}, 2.0 / 6},
		{"who came and went does not count", [][]string{{"a", "b", "x"}}, [][]string{{"a", "b", "y", "z"}}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, now := partition(1, tc.before...), partition(2, tc.now...)
			before.reindex()
			if got := stability(before, now); math.Abs(got-tc.want) > 1e-12 {
				t.Errorf("stability %v, want %v", got, tc.want)
			}
			if got := stability(nil, now); got != 1 {
				t.Errorf("the first time: %v", got)
			}
		})
	}
}
