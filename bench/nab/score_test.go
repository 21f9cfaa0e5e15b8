package nab

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// series is n rows without probation to speak of, with windows.
func series(n int, windows ...Window) Series {
	return Series{Name: "made/1", At: make([]int64, n), Value: make([]float64, n), Windows: windows}
}

// at is a detector that fires at the given rows.
func at(n int, rows ...int) [][]float64 {
	s := make([]float64, n)
	for _, r := range rows {
		s[r] = 1
	}
	return [][]float64{s}
}

// TestProfile checks the rules of the paper by hand.
func TestProfile(t *testing.T) {
	corpus := []Series{series(1000, Window{400, 499}, Window{700, 799})}
	half := sigmoid(-0.5) / sigmoid(-1)
	for name, c := range map[string]struct {
		rows []int
		want float64 // of 4: two found in full are 2 above, none 2 below
	}{
		"nothing":                     {nil, 0},
		"both at once":                {[]int{400, 700}, 4},
		"one at once":                 {[]int{400}, 2},
		"only the first counts":       {[]int{400, 410, 450, 499, 700}, 4},
		"one in the middle":           {[]int{450}, 1 + half},
		"a false one before all":      {[]int{300, 400, 700}, 4 - 0.11},
		"two false ones":              {[]int{300, 301, 400, 700}, 4 - 0.22},
		"long after a window":         {[]int{400, 699, 700}, 4 - 0.11*-sigmoid(200.0/99)},
		"hardly after a window":       {[]int{400, 500, 700}, 4 - 0.11*-sigmoid(1.0/99)},
		"probation does not count":    {[]int{0, 149, 400, 700}, 4},
		"a false one that costs less": {[]int{300, 400}, 2 - 0.11},
		"false alone: better nothing": {[]int{300}, 0},
	} {
		got := Standard.Judge(corpus, at(1000, c.rows...)).Score
		if math.Abs(got-100*c.want/4) > 1e-9 {
			t.Errorf("%s: %.3f, want %.3f", name, got, 100*c.want/4)
		}
	}
}

// TestSigmoid: the values that the paper names.
func TestSigmoid(t *testing.T) {
	for y, want := range map[float64]float64{-1: 0.98661, 0: 0, 1: -0.98661, 3.5: -1} {
		if got := sigmoid(y); math.Abs(got-want) > 1e-5 {
			t.Errorf("%g: %g, want %g", y, got, want)
		}
	}
}

func TestProbation(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1000: 150, 4032: 604, 5000: 750, 22_695: 750} {
		if got := Probation(n); got != want {
			t.Errorf("%d rows: %d, want %d", n, got, want)
		}
	}
}

// TestOneThreshold: the threshold is one for all series.
func TestOneThreshold(t *testing.T) {
	corpus := []Series{series(1000, Window{400, 499}), series(1000, Window{400, 499})}
	scores := [][]float64{make([]float64, 1000), make([]float64, 1000)}
	scores[0][400], scores[1][400] = 0.9, 0.5
	for i := 500; i < 530; i++ {
		scores[0][i+300] = 0.6 // 30 false ones cost more than a window brings
	}
	r := Standard.Judge(corpus, scores)
	if r.Threshold != 0.9 || r.Found != 1 || r.False != 0 || math.Abs(r.Score-50) > 1e-9 {
		t.Errorf("%+v", r)
	}
}

func TestCurve(t *testing.T) {
	corpus := []Series{series(1000, Window{400, 409}, Window{600, 609})}
	c := CurveOf(corpus, at(1000, 400, 401, 600, 300))
	// At the threshold of 1 both windows are found and one detection is wrong.
	if math.Abs(c.EventF1-0.8) > 1e-9 {
		t.Errorf("F1 %g", c.EventF1)
	}
	// Three rows of 20 at a precision of 3/4, the other 17 at 20/850.
	if want := 3.0/20*3/4 + 17.0/20*20/850; math.Abs(c.RowAUC-want) > 1e-9 {
		t.Errorf("AUC %g, want %g", c.RowAUC, want)
	}
}

func TestAround(t *testing.T) {
	s := series(1000)
	s.Around(700, 300)
	if want := []Window{{275, 325}, {675, 725}}; !reflect.DeepEqual(s.Windows, want) {
		t.Errorf("%v", s.Windows)
	}
	s = series(1000)
	s.Around(300, 320)
	if want := []Window{{275, 345}}; !reflect.DeepEqual(s.Windows, want) {
		t.Errorf("%v", s.Windows)
	}
}

// TestLoad reads the layout of the benchmark.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "read the labels") {
		t.Error(err)
	}
	write("labels/combined_windows.json", `{"b/two.csv": [["2014-01-01 00:05:00.000000", "2014-01-01 00:10:00.000000"]], "a/one.csv": [], "a/absent.csv": []}`)
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "no labelled series") {
		t.Error(err)
	}
	write("data/b/two.csv", "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:05:00,2.5\n2014-01-01 00:10:00,3\n2014-01-01 00:15:00,4\n")
	write("data/a/one.csv", "timestamp,value\n2014-01-01 00:00:00,1\n")
	corpus, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(corpus) != 2 || corpus[0].Name != "a/one.csv" || corpus[1].Value[1] != 2.5 ||
		!reflect.DeepEqual(corpus[1].Windows, []Window{{1, 2}}) {
		t.Errorf("%+v", corpus)
	}
	write("data/a/one.csv", "timestamp,value\nnoon,1\n")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "load a/one.csv: row 2: read the timestamp") {
		t.Error(err)
	}
}

// TestSyntheticIsRepeatable: a seed gives the same corpus, another one another,
// and windows are after probation and inside.
func TestSyntheticIsRepeatable(t *testing.T) {
	a, b, c := Synthetic(1), Synthetic(1), Synthetic(2)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed, another corpus")
	}
	for i, s := range a {
		if s.Name != "flat line/1" && reflect.DeepEqual(s.Value, c[i].Value) {
			t.Errorf("%s: another seed, the same values", s.Name)
		}
		if len(s.At) != len(s.Value) {
			t.Errorf("%s: %d times, %d values", s.Name, len(s.At), len(s.Value))
		}
		for _, w := range s.Windows {
			if w.First < Probation(len(s.Value))/2 || w.Last >= len(s.Value) || w.First > w.Last {
				t.Errorf("%s: %v of %d rows", s.Name, w, len(s.Value))
			}
		}
		for j, v := range s.Value {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: row %d is %g", s.Name, j, v)
			}
		}
	}
}

// TestBetterThanRivals keeps the order on one corpus of the training seeds,
// with room for what a change of a default moves.
func TestBetterThanRivals(t *testing.T) {
	if testing.Short() {
		t.Skip("scores a corpus: skipped by -short")
	}
	corpus := Synthetic(1)
	best := map[string]float64{}
	for _, d := range Detectors() {
		if d.Name == "median and MAD" || d.Name == "logcluster z alone" {
			continue // slow, and not a rival
		}
		scores := make([][]float64, len(corpus))
		for i := range corpus {
			scores[i] = d.Score(&corpus[i])
		}
		best[d.Name] = Standard.Judge(corpus, scores).Score
	}
	for name, s := range best {
		if name != "logcluster score" && best["logcluster score"] < s+5 {
			t.Errorf("logcluster score %.1f, %s %.1f", best["logcluster score"], name, s)
		}
	}
	if best["null"] != 0 {
		t.Errorf("null scores %g", best["null"])
	}
}
