package family

import (
	"cmp"
	"math"
	"slices"
)

// group puts roles, in ascending order of key, into families, class by class.
// The families have no identity yet.
func (f *Families) group(roles []Role, last *Families, by measure) {
	roles = slices.Clone(roles)
	slices.SortStableFunc(roles, func(a, b Role) int { return cmp.Compare(a.Class, b.Class) })
	sum := 0.0
	for len(roles) > 0 {
		n := 1
		for n < len(roles) && roles[n].Class == roles[0].Class {
			n++
		}
		sum += f.groupPeers(roles[:n], last, by)
		roles = roles[n:]
	}
	if f.Compared > 0 {
		f.Silhouette = sum / float64(f.Compared)
	}
}

// groupPeers puts the roles of one class into families and returns the sum of
// their silhouettes.
func (f *Families) groupPeers(roles []Role, last *Families, by measure) (sum float64) {
	items := itemsOf(roles)
	sizes := make([]int, len(items))
	for i := range items {
		sizes[i] = len(items[i].roles)
	}
	apart := distances(items, by.evidence)
	number := link(drawn(apart, by.stay, roles, items, last), sizes, by.cut)
	first := len(f.Families)
	for i, n := range number {
		if first+n == len(f.Families) {
			f.Families = append(f.Families, Family{Class: roles[0].Class})
		}
		family := &f.Families[first+n]
		for _, r := range items[i].roles {
			family.Members = append(family.Members, roles[r].Key)
		}
	}
	for i, s := range silhouettes(apart, sizes, number) {
		if !math.IsNaN(s) {
			f.Families[first+number[i]].Silhouette += s * float64(sizes[i])
			f.Compared += sizes[i]
			sum += s * float64(sizes[i])
		}
	}
	for i := range f.Families[first:] {
		family := &f.Families[first+i]
		slices.Sort(family.Members)
		family.Silhouette /= float64(len(family.Members))
	}
	return sum
}

// drawn returns the distances with those of roles that were in one family
// shortened by a share: for items of several roles, by that of such pairs.
func drawn(apart matrix, stay float64, roles []Role, items []item, last *Families) matrix {
	m := matrix{n: apart.n, d: slices.Clone(apart.d)}
	if last == nil {
		return m
	}
	type part struct {
		item  int
		share float64 // of the item's roles
	}
	parts := make([][]part, len(last.Families))
	for i := range items {
		each := 1 / float64(len(items[i].roles))
		for _, r := range items[i].roles {
			family, ok := last.index[roles[r].Key]
			if !ok {
				continue
			}
			if n := len(parts[family]); n > 0 && parts[family][n-1].item == i {
				parts[family][n-1].share += each
			} else {
				parts[family] = append(parts[family], part{item: i, share: each})
			}
		}
	}
	for _, together := range parts {
		for a := range together {
			for _, b := range together[:a] {
				i, j := together[a].item, b.item
				d := m.row(i)[j] - stay*apart.row(i)[j]*together[a].share*b.share
				m.set(i, j, max(d, 0))
			}
		}
	}
	return m
}
