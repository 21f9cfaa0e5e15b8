package detection

import (
	"fmt"
	"io"
	"time"
)

// Part is a report on a part of a recording. An incident belongs to the part that
// it starts in, an alert to the one that it fired in.
type Part struct {
	Name        string    `json:"name"`
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Incidents   int       `json:"incidents"`
	Found       int       `json:"found"`
	Exact       int       `json:"exact"`
	InTime      int       `json:"in_time"`
	Recall      Interval  `json:"recall"`
	Benign      int       `json:"benign"`
	Duplicates  int       `json:"duplicates"`
	False       int       `json:"false"`
	FalsePerDay Interval  `json:"false_per_day"`

	of []int // incidents, by place
}

const oneDay = 24 * time.Hour

// split prepares the parts: what was developed on may look better than what
// comes after it, so the last day stands by itself. A shorter recording is one
// part, which is not shown.
func (r *Report) split(l *Labels) {
	r.Parts = []Part{{Name: "all", Start: r.Start, End: r.End}}
	if r.Days >= 1.5 {
		last := r.End.Add(-oneDay)
		r.Parts = []Part{
			{Name: "before the last day", Start: r.Start, End: last},
			{Name: "the last day", Start: last, End: r.End},
		}
	}
	for i := range l.Incidents {
		p := r.partOf(l.Incidents[i].Start)
		p.of = append(p.of, i)
	}
}

// partOf returns the part that a time is in.
func (r *Report) partOf(t time.Time) *Part {
	last := len(r.Parts) - 1
	for i := range last {
		if t.Before(r.Parts[i].End) {
			return &r.Parts[i]
		}
	}
	return &r.Parts[last]
}

// sumParts makes the totals of the parts.
func (r *Report) sumParts() {
	if len(r.Parts) < 2 {
		r.Parts = nil
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		p.Incidents = len(p.of)
		for _, at := range p.of {
			f := &r.PerIncident[at]
			p.Found += one(f.Found)
			p.Exact += one(f.Exact)
			p.InTime += one(f.InTime)
		}
		p.Recall = share(p.Found, p.Incidents)
		if days := p.End.Sub(p.Start).Hours() / 24; days > 0 {
			p.FalsePerDay = rate(p.False+p.Duplicates, days)
		}
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (r *Report) partsTable(w io.Writer) {
	if len(r.Parts) == 0 {
		return
	}
	fmt.Fprintln(w, "PART\tFOUND\tEXACTLY\tIN TIME\tRECALL\tFALSE A DAY\tDUPLICATES\tBENIGN")
	for i := range r.Parts {
		p := &r.Parts[i]
		fmt.Fprintf(w, "%s\t%d of %d\t%d\t%d\t%s\t%.1f (%.1f to %.1f)\t%d\t%d\n", p.Name, p.Found, p.Incidents, p.Exact, p.InTime,
			percent(p.Recall), p.FalsePerDay.Value, p.FalsePerDay.Low, p.FalsePerDay.High, p.Duplicates, p.Benign)
	}
	fmt.Fprintln(w)
}
