package scenario

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
)

// resamples is how often seeds are drawn with replacement for an interval, which
// is from the 2.5 % to the 97.5 % quantile of what they come to.
const resamples = 2000

// Summary is what trials came to.
type Summary struct{ results []Result }

// Summarise puts results of many trials together.
func Summarise(results []Result) *Summary {
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b Result) int { return int(a.Seed) - int(b.Seed) })
	return &Summary{results}
}

// of returns the results of one detector.
func (s *Summary) of(detector string) []detection.Report {
	var out []detection.Report
	for i := range s.results {
		if s.results[i].Detector == detector {
			out = append(out, s.results[i].Report)
		}
	}
	return out
}

// detectors are the names in the order of first appearance.
func (s *Summary) detectors() []string {
	var names []string
	for i := range s.results {
		if !slices.Contains(names, s.results[i].Detector) {
			names = append(names, s.results[i].Detector)
		}
	}
	return names
}

// Recall is how many of the attacks were found, of those of a shape or, with an
// empty name, of all.
func (s *Summary) Recall(detector, shape string) detection.Interval {
	return s.share(detector, shape, func(f *detection.Finding) bool { return f.Found })
}

// InTime is how many were found in time.
func (s *Summary) InTime(detector, shape string) detection.Interval {
	return s.share(detector, shape, func(f *detection.Finding) bool { return f.InTime })
}

func (s *Summary) share(detector, shape string, is func(*detection.Finding) bool) detection.Interval {
	return bootstrap(s.of(detector), func(r *detection.Report) (of, n float64) {
		for i := range r.PerIncident {
			if f := &r.PerIncident[i]; shape == "" || f.Name == shape || shape == recordedShapes && strings.HasPrefix(f.Name, recordedShapes) {
				n++
				if is(f) {
					of++
				}
			}
		}
		return of, n
	})
}

// recordedShapes are all recorded attacks together.
const recordedShapes = "recorded: "

// FalsePerDay is how many alerts a day match nothing that is known, duplicates
// included.
func (s *Summary) FalsePerDay(detector string) detection.Interval {
	return bootstrap(s.of(detector), func(r *detection.Report) (of, n float64) {
		return float64(r.False + r.Duplicates), r.Days
	})
}

// bootstrap is the ratio of two sums over reports, with its interval over draws
// of reports.
func bootstrap(reports []detection.Report, count func(*detection.Report) (of, n float64)) detection.Interval {
	type pair struct{ of, n float64 }
	var all []pair
	sum := pair{}
	for i := range reports {
		of, n := count(&reports[i])
		if n > 0 {
			all = append(all, pair{of, n})
			sum.of, sum.n = sum.of+of, sum.n+n
		}
	}
	if sum.n == 0 {
		return detection.Interval{High: 1}
	}
	rng := rand.New(rand.NewPCG(uint64(len(all)), 2))
	drawn := make([]float64, resamples)
	for i := range drawn {
		s := pair{}
		for range all {
			p := all[rng.IntN(len(all))]
			s.of, s.n = s.of+p.of, s.n+p.n
		}
		drawn[i] = s.of / s.n
	}
	slices.Sort(drawn)
	return detection.Interval{Value: sum.of / sum.n, Low: drawn[resamples/40], High: drawn[resamples-1-resamples/40]}
}

// shapes returns the names of what happened, in order; recorded attacks as one.
func (s *Summary) shapes() []string {
	var names []string
	for i := range s.results {
		for _, f := range s.results[i].Report.PerIncident {
			name := f.Name
			if strings.HasPrefix(name, recordedShapes) {
				name = recordedShapes
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// WriteText writes the tables for people.
func (s *Summary) WriteText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "DETECTOR\tRECALL\tIN TIME\tFALSE A DAY\tTIME TO DETECT (MEDIAN)\tRECALL BY CHANCE")
	for _, name := range s.detectors() {
		chance := bootstrap(s.of(name), func(r *detection.Report) (of, n float64) { return r.Chance, 1 })
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%.0f %%\n", name, percent(s.Recall(name, "")), percent(s.InTime(name, "")),
			number(s.FalsePerDay(name)), s.wait(name), 100*chance.Value)
	}
	fmt.Fprintln(tw)
	fmt.Fprint(tw, "RECALL BY SHAPE\tTRIALS")
	for _, name := range s.detectors() {
		fmt.Fprint(tw, "\t", strings.TrimSuffix(name, ", per cluster"))
	}
	fmt.Fprintln(tw)
	for _, shape := range s.shapes() {
		fmt.Fprintf(tw, "%s\t%d", strings.TrimSuffix(shape, ": "), s.trials(shape))
		for i, name := range s.detectors() {
			if r := s.Recall(name, shape); i == 0 {
				fmt.Fprint(tw, "\t", percent(r))
			} else {
				fmt.Fprintf(tw, "\t%.0f %%", 100*r.Value)
			}
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

func (s *Summary) trials(shape string) int {
	n := 0
	for _, r := range s.of(s.detectors()[0]) {
		for i := range r.PerIncident {
			if strings.HasPrefix(r.PerIncident[i].Name, shape) {
				n++
			}
		}
	}
	return n
}

// wait is the median time to detect.
func (s *Summary) wait(detector string) time.Duration {
	var waits []float64
	for _, r := range s.of(detector) {
		for i := range r.PerIncident {
			if f := &r.PerIncident[i]; f.Found {
				waits = append(waits, f.SecondsToDetect)
			}
		}
	}
	if len(waits) == 0 {
		return 0
	}
	slices.Sort(waits)
	return time.Duration(waits[len(waits)/2]) * time.Second
}

func percent(i detection.Interval) string {
	return fmt.Sprintf("%.0f %% (%.0f to %.0f)", 100*i.Value, 100*i.Low, 100*i.High)
}

func number(i detection.Interval) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", i.Value, i.Low, i.High)
}
