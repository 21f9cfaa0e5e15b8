package nab

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Series is one labelled series.
type Series struct {
	// Name is the kind or file of the series.
	Name string
	// At are the times of the rows in Unix nanoseconds, not always ascending.
	At []int64
	// Value are the values, as many as At.
	Value []float64
	// Windows are the labelled anomalies, ascending and apart.
	Windows []Window
}

// Window is a labelled anomaly: the rows First to Last, both included.
type Window struct{ First, Last int }

// Load reads a corpus in the layout of the benchmark: labels/combined_windows.json
// names the files below data/ and the first and last timestamp of each window.
// Files are read in the order of their names.
func Load(dir string) ([]Series, error) {
	labels, err := os.ReadFile(filepath.Join(dir, "labels", "combined_windows.json"))
	if err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	var windows map[string][][2]string
	if err := json.Unmarshal(labels, &windows); err != nil {
		return nil, fmt.Errorf("decode the labels: %w", err)
	}
	var corpus []Series
	for _, name := range sortedKeys(windows) {
		s, err := loadSeries(filepath.Join(dir, "data", name), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.label(windows[name])
		}
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
		corpus = append(corpus, s)
	}
	if len(corpus) == 0 {
		return nil, fmt.Errorf("no labelled series under %s", dir)
	}
	return corpus, nil
}

func sortedKeys(m map[string][][2]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// loadSeries reads "timestamp,value" rows under a header.
func loadSeries(path, name string) (Series, error) {
	f, err := os.Open(path)
	if err != nil {
		return Series{}, fmt.Errorf("open the series: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return Series{}, fmt.Errorf("read the series: %w", err)
	}
	s := Series{Name: name}
	for i, row := range rows {
		if i == 0 || len(row) < 2 {
			continue
		}
		at, err := parseTime(row[0])
		if err != nil {
			return Series{}, fmt.Errorf("row %d: %w", i+1, err)
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(row[1]), 64)
		if err != nil {
			return Series{}, fmt.Errorf("row %d: read the value: %w", i+1, err)
		}
		s.At, s.Value = append(s.At, at), append(s.Value, v)
	}
	return s, nil
}

func parseTime(text string) (int64, error) {
	// The fraction of a second is optional where a layout has none.
	at, err := time.Parse(time.DateTime, strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("read the timestamp: %w", err)
	}
	return at.UnixNano(), nil
}

// label sets the windows: all rows from the first to the last timestamp.
func (s *Series) label(spans [][2]string) error {
	for _, span := range spans {
		from, err := parseTime(span[0])
		to, err2 := parseTime(span[1])
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		w := Window{First: -1}
		for i, at := range s.At {
			if at >= from && at <= to {
				if w.First < 0 {
					w.First = i
				}
				w.Last = i
			}
		}
		if w.First >= 0 {
			s.Windows = append(s.Windows, w)
		}
	}
	slices.SortFunc(s.Windows, func(a, b Window) int { return cmp.Compare(a.First, b.First) })
	return nil
}

// Around sets the windows as the benchmark does: a tenth of the rows, divided
// among the anomalies, each part with an anomaly in its middle. Windows that
// would overlap become one.
func (s *Series) Around(anomalies ...int) {
	slices.Sort(anomalies)
	half := len(s.Value) / 10 / max(len(anomalies), 1) / 2
	for _, a := range anomalies {
		w := Window{First: max(a-half, 0), Last: min(a+half, len(s.Value)-1)}
		if n := len(s.Windows); n > 0 && s.Windows[n-1].Last >= w.First {
			s.Windows[n-1].Last = w.Last
			continue
		}
		s.Windows = append(s.Windows, w)
	}
}
