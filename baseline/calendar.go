package baseline

import (
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// calendar cuts event time into the cells of one scale's histories and says
// which of them lie at the same time of the day and on the same kind of day. A
// cell is some windows of the scale. With hours off, every cell is like every
// other one, and nothing depends on the length of a day.
//
// The zero value knows no window yet.
type calendar struct {
	window int64 // length of a window in nanoseconds
	cell   int64 // length of a cell
	hours  bool  // hour of the day and weekend count
}

// cellWindows is how many windows a cell of each scale holds. Twelve windows of
// five minutes are an hour: short enough for the daily rhythm, and few enough
// for a week of them.
var cellWindows = [cluster.NumScales]int64{cluster.Short: 12, cluster.Medium: 1, cluster.Long: 1}

// day is the length of a day and daysToMonday from the epoch, a Thursday, to the
// first Monday.
const (
	day          = int64(24 * time.Hour)
	daysToMonday = 4
)

func newCalendar(scale cluster.Scale, window int64, hours bool) calendar {
	return calendar{window: window, cell: window * cellWindows[scale], hours: hours}
}

// at returns the cell that holds a time.
func (c *calendar) at(t int64) int64 { return floorDiv(t, c.cell) }

// start returns the start of a cell.
func (c *calendar) start(cell int64) int64 { return cell * c.cell }

// daysBefore returns the cell at the same time so many days before.
func (c *calendar) daysBefore(cell, days int64) int64 {
	return floorDiv(cell*c.cell-days*day, c.cell)
}

// slots is into how many times of the day cells fall: one where the hours do
// not count or a cell is a day and more.
func (c *calendar) slots() int64 {
	if !c.hours || c.cell >= day {
		return 1
	}
	return (day + c.cell - 1) / c.cell
}

// slot is the time of the day of a cell, 0 to slots-1.
func (c *calendar) slot(cell int64) int64 {
	if c.slots() == 1 {
		return 0
	}
	start := cell * c.cell
	return (start - floorDiv(start, day)*day) / c.cell
}

// weekend reports whether the middle of a cell lies on a Saturday or Sunday, in
// UTC.
func (c *calendar) weekend(cell int64) bool {
	if !c.hours {
		return false
	}
	days := floorDiv(cell*c.cell+c.cell/2, day) - daysToMonday
	return days-floorDiv(days, 7)*7 >= 5
}

// floorDiv is a divided by b > 0, rounded down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
