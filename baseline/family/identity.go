package family

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// identify gives every family its identity: that of the last family that it
// shares the most roles with, or a new one. Of a family that has split the
// larger part goes on, of two that have merged the larger one; where parts are
// equal, the one that is the larger share of both, then the oldest.
func (f *Families) identify(last *Families) {
	f.reindex()
	used := make(map[string]bool)
	if last != nil {
		for i := range last.Families {
			used[last.Families[i].ID] = true
		}
		taken := make([]bool, len(last.Families))
		for _, o := range overlaps(last, f) {
			if family, old := &f.Families[o.now], &last.Families[o.before]; family.ID == "" && !taken[o.before] {
				family.ID, family.Since = old.ID, old.Since
				taken[o.before] = true
			}
		}
	}
	for i := range f.Families {
		family := &f.Families[i]
		if family.ID == "" {
			family.Since = f.At
			family.ID = newID(used, f.Tenant, family.Members[0], f.At)
			used[family.ID] = true
		}
		family.Name = nameOf(family.Members)
	}
	slices.SortFunc(f.Families, func(a, b Family) int { return cmp.Compare(a.ID, b.ID) })
	f.reindex()
}

// overlap says how many roles a family and one of the last time share.
type overlap struct{ before, now, roles int }

// overlaps returns those pairs of families that share roles, the best first.
func overlaps(last, f *Families) []overlap {
	shared := make(map[[2]int]int)
	for i := range f.Families {
		for _, key := range f.Families[i].Members {
			if before, ok := last.index[key]; ok {
				shared[[2]int{before, i}]++
			}
		}
	}
	all := make([]overlap, 0, len(shared))
	for pair, roles := range shared {
		all = append(all, overlap{before: pair[0], now: pair[1], roles: roles})
	}
	either := func(o overlap) int {
		return len(last.Families[o.before].Members) + len(f.Families[o.now].Members) - o.roles
	}
	slices.SortFunc(all, func(a, b overlap) int {
		oldA, oldB := &last.Families[a.before], &last.Families[b.before]
		return cmp.Or(
			cmp.Compare(b.roles, a.roles),
			cmp.Compare(either(a), either(b)),
			cmp.Compare(oldA.Since, oldB.Since),
			cmp.Compare(oldA.ID, oldB.ID),
			cmp.Compare(f.Families[a.now].Members[0], f.Families[b.now].Members[0]),
		)
	})
	return all
}

// newID returns an identity that is not used: a hash of the tenant, the first
// member and the time.
func newID(used map[string]bool, tenant, member string, at int64) string {
	b := binary.AppendUvarint([]byte("family"), uint64(len(tenant)))
	b = append(append(b, tenant...), member...)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	for {
		if id := fmt.Sprintf("%016x", xxhash.Sum64(b)); !used[id] {
			return id
		}
		b = append(b, '+')
	}
}

// stability is [Families.Stability] of f after last.
func stability(last, f *Families) float64 {
	if last == nil {
		return 1
	}
	both := make(map[[2]int]int)
	before, now := make([]int, len(last.Families)), make([]int, len(f.Families))
	for i := range f.Families {
		for _, key := range f.Families[i].Members {
			if j, ok := last.index[key]; ok {
				both[[2]int{j, i}]++
				before[j]++
				now[i]++
			}
		}
	}
	agreed := 0
	for _, n := range both {
		agreed += pairs(n)
	}
	either := -agreed
	for _, n := range before {
		either += pairs(n)
	}
	for _, n := range now {
		either += pairs(n)
	}
	if either == 0 {
		return 1
	}
	return float64(agreed) / float64(either)
}

func pairs(n int) int { return n * (n - 1) / 2 }
