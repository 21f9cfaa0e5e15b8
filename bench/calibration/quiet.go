// Package calibration measures on recordings whether a z-score is the
// probability that it says.
package calibration

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

// Part is the quiet part of a span of a recording, measured at every scale.
type Part struct {
	Name     string
	From, To int64 // Unix nanoseconds; windows that begin before To
	tables   [cluster.NumScales]*calibration.Table
}

// Measure replays a recording and measures its parts. Windows that overlap an
// incident or a benign change, or begin in the hour after one, are left out: what is
// labelled is not to be usual.
func Measure(r *stream.Recording, cfg engine.Config, parts ...*Part) {
	e := engine.New(cfg, r.Policies(), engine.Observer{})
	e.Baselines().OnJudged(func(j *baseline.Judged) {
		if busy(r.Labels, j.Start, j.End) {
			return
		}
		for _, p := range parts {
			if j.Start >= p.From && j.Start < p.To {
				if p.tables[j.Scale] == nil {
					p.tables[j.Scale] = calibration.NewTable(j.Scale, p.block(j.End-j.Start))
				}
				t := p.tables[j.Scale]
				t.Begin(j.Start)
				t.AddCorrected(j.Feature, j.Stratum, j.PIT, j.Corrections)
			}
		}
	})
	stream.AddSources(e, r.Items)
	stream.Feed(e, r.Items)
	e.Finish()
}

// busy reports whether a window overlaps what is labelled, or what comes of it.
// A window longer than an hour is left out when half of it does: else there were
// no day without.
func busy(l *detection.Labels, start, end int64) bool {
	const after = int64(time.Hour)
	length := end - start
	overlap := int64(0)
	for _, list := range [][]detection.Incident{l.Incidents, l.BenignChanges} {
		for i := range list {
			from, to := list[i].Start.UnixNano(), list[i].End.UnixNano()+after
			overlap += max(0, min(end, to)-max(start, from))
		}
	}
	if length > after {
		return overlap > length/2
	}
	return overlap > 0
}

// block is as short as the part allows: an hour and a window at least.
func (p *Part) block(window int64) int64 {
	return max(window, int64(time.Hour), (p.To-p.From)/calibration.Blocks+1)
}

// Rows are the measured rows, scales ascending.
func (p *Part) Rows() []calibration.Row {
	var rows []calibration.Row
	for _, t := range p.tables {
		if t != nil {
			rows = append(rows, t.Report()...)
		}
	}
	return rows
}

// WriteText prints rows that have enough data, at the levels that are gated or
// at all.
func WriteText(w io.Writer, rows []calibration.Row, all bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SCALE\tFEATURE\tEXPECTED COUNT\t|Z|\tWINDOWS\tNOMINAL\tOBSERVED\tRATIO\t95 %\tLOW\tHIGH\tCORRECTED\t95 %\tLOW\tHIGH\t")
	for _, r := range rows {
		if !r.Enough() && !all {
			continue
		}
		stratum, mark := r.Stratum.String(), ""
		if r.All {
			stratum = "all"
		}
		switch {
		case !r.Corrected.Calibrated():
			mark = "NOT CALIBRATED"
		case !r.Nominal.Calibrated():
			mark = "corrected"
		}
		fmt.Fprintf(tw, "%v\t%v\t%s\t%.1f\t%d\t%.1f\t%.1f\t%.2f\t%.2f–%.2f\t%.2f\t%.2f\t%.2f\t%.2f–%.2f\t%.2f\t%.2f\t%s\n",
			r.Scale, anomaly.FeatureName(r.Feature), stratum, r.Z, r.Windows, r.Expected, r.Nominal.Observed,
			r.Nominal.Value, r.Nominal.Low, r.Nominal.High, r.Nominal.LowSide, r.Nominal.UpSide,
			r.Corrected.Value, r.Corrected.Low, r.Corrected.High, r.Corrected.LowSide, r.Corrected.UpSide, mark)
	}
	return tw.Flush()
}
