package family

// link joins items by average linkage (UPGMA) until no two groups are nearer
// than the cut, and returns a group number for each item. The numbers ascend
// with the first item of the group. It overwrites the distances.
//
// It follows chains of nearest neighbours (Murtagh 1983; algorithm and proof in
// Müllner 2011): average linkage is reducible, so two groups that are each
// other's nearest may be joined at once, whatever else is nearer together, and
// one whose nearest is beyond the cut will never have a nearer one. That takes
// time in the square of the number of items, and no queue. Of equally near
// ones the first counts.
func link(m matrix, sizes []int, cut float64) []int {
	l := &linkage{m: m, cut: cut, size: make([]float64, m.n), into: make([]int, m.n), open: make([]int, m.n)}
	for i := range m.n {
		l.size[i], l.into[i], l.open[i] = float64(sizes[i]), i, i
	}
	for len(l.open) > 0 {
		if len(l.chain) == 0 {
			l.chain = append(l.chain, l.open[0])
		}
		l.step()
	}
	return l.numbers()
}

type linkage struct {
	m     matrix // between the open groups, each at the place of one of its items
	cut   float64
	size  []float64
	into  []int // the place that an item or group was joined into, its own for the others
	open  []int // ascending places of the groups that may still be joined
	chain []int // each the nearest of the one before it
}

// step makes the chain longer, or joins its last two, or closes its last one.
func (l *linkage) step() {
	top := len(l.chain) - 1
	here, before := l.chain[top], -1
	if top > 0 {
		before = l.chain[top-1]
	}
	switch nearest := l.nearest(here, before); {
	case nearest < 0:
		l.close(here)
		l.chain = l.chain[:top]
	case nearest == before:
		l.chain = l.chain[:top-1]
		l.join(min(here, before), max(here, before))
	default:
		l.chain = append(l.chain, nearest)
	}
}

// nearest returns the open group nearest to a place and not beyond the cut, -1
// for none; of equally near ones the preferred one, else the first.
func (l *linkage) nearest(place, preferred int) int {
	row := l.m.row(place)
	nearest, distance := -1, l.cut
	if preferred >= 0 && row[preferred] <= l.cut {
		nearest, distance = preferred, row[preferred]
	}
	for _, o := range l.open {
		if o != place && (row[o] < distance || nearest < 0 && row[o] == distance) {
			nearest, distance = o, row[o]
		}
	}
	return nearest
}

// join joins the group at the place gone into the one at place.
func (l *linkage) join(place, gone int) {
	l.close(gone)
	l.into[gone] = place
	a, b := l.size[place], l.size[gone]
	l.size[place] = a + b
	rowA, rowB := l.m.row(place), l.m.row(gone)
	for _, o := range l.open {
		if o != place {
			l.m.set(place, o, (a*rowA[o]+b*rowB[o])/(a+b))
		}
	}
}

// close takes a group from the open ones.
func (l *linkage) close(place int) {
	for i, o := range l.open {
		if o == place {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

// numbers returns the number of every item's group.
func (l *linkage) numbers() []int {
	number := make([]int, len(l.into))
	next := 0
	for i, place := range l.into {
		// A group lies at the place of its first item.
		if place == i {
			number[i] = next
			next++
			continue
		}
		number[i] = number[place]
	}
	return number
}
