package nab

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	judge    = flag.Bool("nab", false, "judge all detectors on the synthetic test corpora, and on the benchmark's own where it is")
	seeds    = flag.Int("nab.seeds", 6, "how many synthetic corpora")
	first    = flag.Uint64("nab.first", FirstTestSeed, "seed of the first; below 1000 are those that the defaults were chosen with")
	quickly  = flag.Bool("nab.quick", false, "leave out the rivals")
	kindsToo = flag.Bool("nab.kinds", false, "show the result of each kind of series, too")
)

// TestSyntheticCorpora prints how the detectors do on series made from seeds
// that nothing was chosen with.
func TestSyntheticCorpora(t *testing.T) {
	if !*judge {
		t.Skip("a table for people, of a minute: make series")
	}
	var corpus []Series
	for i := range *seeds {
		corpus = append(corpus, Synthetic(*first+uint64(i))...)
	}
	compare(t, corpus)
}

// TestBenchmarkCorpus prints how they do on the corpus of the benchmark.
func TestBenchmarkCorpus(t *testing.T) {
	dir := os.Getenv("LOGCLUSTER_NAB")
	switch {
	case !*judge:
		t.Skip("a table for people: ask for it with -nab, or make series")
	case dir == "":
		t.Skip("LOGCLUSTER_NAB does not name a folder with data/ and labels/combined_windows.json of the Numenta Anomaly Benchmark (AGPL, not bundled)")
	}
	corpus, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, corpus)
}

// compare prints a line a detector.
func compare(t *testing.T, corpus []Series) {
	t.Helper()
	rows := 0
	for i := range corpus {
		rows += len(corpus[i].Value)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d series, %d rows\n%-20s %6s %9s %9s %6s %9s %9s\n", len(corpus), rows,
		"detector", "score", "found", "windows", "false", "event F1", "row AUC")
	results := map[string]Result{}
	for _, d := range Detectors() {
		if *quickly && d.Name != "logcluster score" {
			continue
		}
		scores := make([][]float64, len(corpus))
		for i := range corpus {
			scores[i] = d.Score(&corpus[i])
		}
		r, c := Standard.Judge(corpus, scores), CurveOf(corpus, scores)
		results[d.Name] = r
		fmt.Fprintf(&b, "%-20s %6.1f %9d %9d %6d %9.3f %9.3f   threshold %.4g\n",
			d.Name, r.Score, r.Found, r.Windows, r.False, c.EventF1, c.RowAUC, r.Threshold)
		if *kindsToo && d.Name == "logcluster score" {
			byKind(&b, corpus, scores, r.Threshold)
		}
	}
	t.Logf("%s", b.String())
	for name, r := range results {
		if name != "logcluster score" && r.Score >= results["logcluster score"].Score {
			t.Errorf("%s is better: %.1f", name, r.Score)
		}
	}
}

// byKind adds up what was found by kind of series, which is its name up to the
// last slash.
func byKind(b *strings.Builder, corpus []Series, scores [][]float64, threshold float64) {
	type sum struct{ found, windows, wrong int }
	sums, names := map[string]*sum{}, []string(nil)
	for i, s := range corpus {
		name := s.Name[:max(strings.LastIndex(s.Name, "/"), 0)]
		if sums[name] == nil {
			sums[name] = &sum{}
			names = append(names, name)
		}
		one := [][]float64{slices.Clone(scores[i])}
		for j, v := range one[0] {
			one[0][j] = 0
			if v >= threshold {
				one[0][j] = 1
			}
		}
		rows, windows := Standard.candidates(corpus[i:i+1], one)
		hit := make([]bool, windows)
		for _, r := range rows {
			switch {
			case r.score == 0:
			case r.window < 0:
				sums[name].wrong++
			case !hit[r.window]:
				hit[r.window] = true
				sums[name].found++
			}
		}
		sums[name].windows += windows
	}
	for _, n := range names {
		fmt.Fprintf(b, "    %-24s %3d of %3d, %3d false\n", n, sums[n].found, sums[n].windows, sums[n].wrong)
	}
}
