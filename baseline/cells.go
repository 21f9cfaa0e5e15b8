package baseline

import (
	"slices"
	"sort"

	"github.com/logcluster/logcluster/cluster"
)

// cells are the cells of a history in little room, ascending: of a cell with one
// window, the sums say everything.
type cells struct {
	list []narrow
	wide []wide
}

// narrow is a cell: 40 bytes. A history has some thousand cells at most (60 days
// of windows of a minute), and a cell some windows.
type narrow struct {
	cell    int64
	windows uint16
	wide    uint16 // place in cells.wide, counted from 1; 0 for one window
	sum     [counted]uint32
}

// wide is what only a cell of several windows needs: 72 bytes.
type wide struct {
	square                     [counted]uint64
	deniedEvents, failedEvents uint64
}

// mostCounted bounds the counts of a window, so that a cell's sums have room.
const mostCounted = 1 << 28

// len is the number of cells.
func (c *cells) len() int { return len(c.list) }

// number is the number of the i-th cell.
func (c *cells) number(i int) int64 { return c.list[i].cell }

// get writes the i-th cell to out.
func (c *cells) get(i int, out *Cell) {
	n := &c.list[i]
	out.Cell, out.Windows = n.cell, uint64(n.windows)
	for f, v := range n.sum {
		out.Sum[f] = uint64(v)
	}
	if n.wide > 0 {
		w := &c.wide[n.wide-1]
		out.Square, out.DeniedEvents, out.FailedEvents = w.square, w.deniedEvents, w.failedEvents
		return
	}
	for f, v := range out.Sum {
		out.Square[f] = v * v
	}
	out.DeniedEvents = out.Sum[cluster.Denied] * out.Sum[cluster.Events]
	out.FailedEvents = out.Sum[cluster.Failed] * out.Sum[cluster.Events]
}

// find returns the place of a cell, and false when it had no events.
func (c *cells) find(cell int64) (int, bool) {
	i := sort.Search(len(c.list), func(i int) bool { return c.list[i].cell >= cell })
	return i, i < len(c.list) && c.list[i].cell == cell
}

// add adds moments to the last cell, or to a new one after it.
func (c *cells) add(x *Cell) {
	last := len(c.list) - 1
	if last >= 0 && c.list[last].cell == x.Cell {
		var sum Cell
		c.get(last, &sum)
		sum.add(&x.Moments)
		c.put(last, &sum)
		return
	}
	c.list = append(withRoom(c.list), narrow{cell: x.Cell})
	c.put(last+1, x)
}

// put writes a cell of at least as many windows as the one there has.
func (c *cells) put(i int, x *Cell) {
	n := &c.list[i]
	n.windows = uint16(x.Windows)
	for f, v := range x.Sum {
		n.sum[f] = uint32(v)
	}
	if x.Windows <= 1 {
		return
	}
	if n.wide == 0 {
		c.wide = append(withRoom(c.wide), wide{})
		n.wide = uint16(len(c.wide))
	}
	c.wide[n.wide-1] = wide{square: x.Square, deniedEvents: x.DeniedEvents, failedEvents: x.FailedEvents}
}

// withRoom lets a slice grow by an eighth: there are many, and each grows by one
// in an hour.
func withRoom[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	grown := make([]T, len(s), len(s)+2+len(s)/8)
	copy(grown, s)
	return grown
}

// remove removes the cells from first to last and calls removed for each.
func (c *cells) remove(first, last int64, removed func(*Cell)) {
	from, _ := c.find(first)
	to := from
	for ; to < len(c.list) && c.list[to].cell <= last; to++ {
		if removed != nil {
			var x Cell
			c.get(to, &x)
			removed(&x)
		}
	}
	if from == to {
		return
	}
	c.list = slices.Delete(c.list, from, to)
	kept := 0
	for i := range c.list {
		if n := &c.list[i]; n.wide > 0 {
			// In ascending order too: it is never written over before it is read.
			c.wide[kept] = c.wide[n.wide-1]
			kept++
			n.wide = uint16(kept)
		}
	}
	c.wide = c.wide[:kept]
}

// snapshot returns the cells, nil when there are none.
func (c *cells) snapshot() []Cell {
	if len(c.list) == 0 {
		return nil
	}
	out := make([]Cell, len(c.list))
	for i := range out {
		c.get(i, &out[i])
	}
	return out
}

// restored returns the cells of a snapshot.
func restored(from []Cell) cells {
	c := cells{list: make([]narrow, 0, len(from))}
	for i := range from {
		c.add(&from[i])
	}
	return c
}

// windowCell is a cell of one window.
func windowCell(cell int64, counts *cluster.Counts) Cell {
	bounded := *counts
	for f := range counted {
		bounded[f] = min(bounded[f], mostCounted)
	}
	x := Cell{Cell: cell}
	x.addWindow(&bounded)
	return x
}
