package peer

import "math"

// The silhouette (Rousseeuw 1987) of a subject under its role family is
//
//	s = (b − a)/max(a, b)
//
// where a is its mean distance to the other subjects of the family, and b that
// to those of the nearest other family; 1 is a subject that is like its own
// only, −1 one that is like others only. The distance is 1 − cosine of the
// vectors log(1 + events) over (resource, access), which is that of their
// shares on a logarithmic scale.
//
// Roles that are alike are one group: team-a-editor and team-b-editor are told
// apart by where they may act, which no vector shows, and a silhouette under
// either would always say that they are badly told apart. A family of one
// subject has no silhouette, and is no other family to be like: that one
// subject resembles another says nothing about roles.
//
// The mean distance to a set of vectors of length 1 is 1 − the cosine to their
// sum, over their number. So every silhouette is exact, and costs one product
// with each family's sum, not one with each subject.

// fixed is how many parts of one the sums of families are counted in: whole
// numbers add up to the same in every order, and 2^20 vectors do not overflow.
const fixed = 1 << 40

// noDistance is below what counting in parts can tell from 0.
const noDistance = 1e-9

// component is one coordinate of an item's vector, of length 1.
type component struct {
	kind   int32
	weight float64
	act    int32 // the one with the most events
}

// center is a family's sum at one kind.
type center struct {
	group int32
	sum   int64
}

// shapes are the vectors of a scene's items and their silhouettes. It is reused.
type shapes struct {
	components []component
	start      []int32 // of each item's components, and the end
	centers    []center
	firsts     []int32 // of each kind's centers, and the end
	size       []int32 // of each group
	value      []float64
	known      []bool // whether the item has a silhouette
	nearest    []int32

	dot     []float64 // to each group's sum
	touched []int32
	slot    []int32 // of each (kind, group) being summed
}

// measure computes the vectors and silhouettes of a scene.
func (sh *shapes) measure(sc *scene) {
	sh.vectors(sc)
	sh.sumFamilies(sc)
	n := len(sc.items.keys)
	sh.value, sh.known, sh.nearest = resize(sh.value, n), resize(sh.known, n), resize(sh.nearest, n)
	sh.dot = resize(sh.dot, len(sc.groups.keys))
	comparable := 0
	for _, size := range sh.size {
		if size >= 2 {
			comparable++
		}
	}
	for i := range n {
		sh.nearest[i] = -1
		own := sc.items.keys[i].group
		if sh.known[i] = comparable >= 2 && sh.size[own] >= 2; sh.known[i] {
			sh.value[i], sh.nearest[i] = sh.silhouette(i, own, comparable)
		}
	}
}

// vectors makes a unit vector of each item's acts.
func (sh *shapes) vectors(sc *scene) {
	sh.components, sh.start = sh.components[:0], sh.start[:0]
	for i := 0; i < len(sc.byItem); {
		first := &sc.acts[sc.byItem[i]]
		sh.start = append(sh.start, int32(len(sh.components)))
		length := 0.0
		for i < len(sc.byItem) && sc.acts[sc.byItem[i]].item == first.item {
			c := component{kind: sc.acts[sc.byItem[i]].kind, act: sc.byItem[i]}
			events := uint64(0)
			for ; i < len(sc.byItem); i++ {
				a := &sc.acts[sc.byItem[i]]
				if a.item != first.item || a.kind != c.kind {
					break
				}
				events += uint64(a.events)
				if a.events > sc.acts[c.act].events {
					c.act = sc.byItem[i]
				}
			}
			c.weight = math.Log1p(float64(events))
			length += c.weight * c.weight
			sh.components = append(sh.components, c)
		}
		length = math.Sqrt(length)
		for j := int(sh.start[len(sh.start)-1]); j < len(sh.components); j++ {
			sh.components[j].weight /= length
		}
	}
	sh.start = append(sh.start, int32(len(sh.components)))
}

// sumFamilies adds the vectors of each family up, kind by kind.
func (sh *shapes) sumFamilies(sc *scene) {
	groups, kinds := len(sc.groups.keys), len(sc.kinds.keys)
	sh.size = resize(sh.size, groups)
	clear(sh.size)
	for _, it := range sc.items.keys {
		sh.size[it.group]++
	}
	// A counting sort of the components by kind.
	sh.firsts = resize(sh.firsts, kinds+1)
	clear(sh.firsts)
	for i := range sh.components {
		sh.firsts[sh.components[i].kind]++
	}
	total := int32(0)
	for k := range sh.firsts {
		sh.firsts[k], total = total, total+sh.firsts[k]
	}
	sh.centers = resize(sh.centers, len(sh.components))
	for i, it := range sc.items.keys {
		for _, c := range sh.components[sh.start[i]:sh.start[i+1]] {
			sh.centers[sh.firsts[c.kind]] = center{group: it.group, sum: parts(c.weight)}
			sh.firsts[c.kind]++
		}
	}
	sh.merge(groups)
}

// merge joins the centers of one group at one kind. On entry firsts are the ends
// of the kinds' centers.
func (sh *shapes) merge(groups int) {
	sh.slot = resize(sh.slot, groups)
	for g := range sh.slot {
		sh.slot[g] = -1
	}
	in, out := int32(0), int32(0)
	for k := range len(sh.firsts) - 1 {
		end, first := sh.firsts[k], out
		for ; in < end; in++ {
			c := sh.centers[in]
			if s := sh.slot[c.group]; s >= first {
				sh.centers[s].sum += c.sum
				continue
			}
			sh.slot[c.group] = out
			sh.centers[out] = c
			out++
		}
		sh.firsts[k] = first
	}
	sh.firsts[len(sh.firsts)-1] = out
	sh.centers = sh.centers[:out]
}

func parts(weight float64) int64 { return int64(math.Round(weight * fixed)) }

// silhouette returns that of an item of a group with others, and the nearest
// other group, -1 where none has anything in common with it.
func (sh *shapes) silhouette(i int, own int32, comparable int) (s float64, nearest int32) {
	itself := 0.0
	sh.touched = sh.touched[:0]
	for _, c := range sh.components[sh.start[i]:sh.start[i+1]] {
		itself += c.weight * float64(parts(c.weight)) / fixed
		for _, ce := range sh.centers[sh.firsts[c.kind]:sh.firsts[c.kind+1]] {
			if sh.dot[ce.group] == 0 {
				sh.touched = append(sh.touched, ce.group)
			}
			sh.dot[ce.group] += c.weight * float64(ce.sum) / fixed
		}
	}
	inside := distance(sh.dot[own]-itself, sh.size[own]-1)
	outside, others := math.Inf(1), comparable-1
	nearest = -1
	for _, g := range sh.touched {
		if g != own && sh.size[g] >= 2 {
			others--
			if d := distance(sh.dot[g], sh.size[g]); d < outside {
				outside, nearest = d, g
			}
		}
		sh.dot[g] = 0
	}
	if others > 0 && outside > 1 {
		outside = 1 // to those with which it has nothing in common
	}
	if widest := max(inside, outside); widest > 0 {
		s = (outside - inside) / widest
	}
	return s, nearest
}

// distance is the mean one to n vectors that a vector has these products with
// in all.
func distance(dot float64, n int32) float64 {
	d := 1 - dot/float64(n)
	if d < noDistance {
		return 0
	}
	return min(d, 1)
}

// at returns the sum of a group at a kind.
func (sh *shapes) at(kind, group int32) float64 {
	for _, ce := range sh.centers[sh.firsts[kind]:sh.firsts[kind+1]] {
		if ce.group == group {
			return float64(ce.sum) / fixed
		}
	}
	return 0
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
