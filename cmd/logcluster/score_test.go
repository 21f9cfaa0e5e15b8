package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseTimestamp(t *testing.T) {
	noon := time.Date(2024, 2, 3, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2024-02-03T12:00:00Z":      noon,
		"2024-02-03T14:00:00+02:00": noon,
		"2024-02-03 12:00:00":       noon,
		" 2024-02-03 12:00:00.5 ":   noon.Add(time.Second / 2),
		"2024-02-03T12:00:00":       noon,
		"2024-02-03 12:00":          noon,
		"2024-02-03":                noon.Add(-12 * time.Hour),
		"1706961600":                noon,
		"1706961600.25":             noon.Add(time.Second / 4),
		"1706961600000":             noon,
		"1706961600000000":          noon,
		"1706961600000000001":       noon.Add(1),
		"-86400":                    time.Unix(-86400, 0),
		"2024-02-03 13:00:00+01:00": noon,
	} {
		got, err := parseTimestamp(text)
		if err != nil || got != want.UnixNano() {
			t.Errorf("%q: %v, %v; want %v", text, time.Unix(0, got).UTC(), err, want)
		}
	}
	for _, text := range []string{"", "noon", "NaN", "Inf", "1e30", "3000-01-01", "2024-13-01"} {
		if at, err := parseTimestamp(text); err == nil {
			t.Errorf("%q: %d", text, at)
		}
	}
}

func TestParseValue(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, " -2.5e3 ": -2500, "1e300": 1e300} {
		if got, err := parseValue(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "NaN", "nan", "NULL", "n/a", "-", "inf", "-Inf", "1e999"} {
		if got, err := parseValue(text); err != nil || !math.IsNaN(got) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"abc", "1,5", "12 %"} {
		if got, err := parseValue(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzScore: no input makes the command panic, and every row that is read is
// written.
func FuzzScore(f *testing.F) {
	for _, s := range []string{
		"", "timestamp,value\n", "timestamp,value\n2024-01-01 00:00:00,1\n1,2\n", "1,2\n3,4\n5,\n", "\ufefftime,x,value\n1,a,NaN\n",
		"1,1e300\n2,-1e300\n3,0\n", "a\n1\n", "\"1\"\"\",2\n", "1,2,3\r\n4,5\r\n", "1700000000,1\n1600000000,1\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input string) {
		for _, output := range []string{outputCSV, outputJSON} {
			in, out := io.Reader(strings.NewReader(input)), new(strings.Builder)
			err := scoreFile(t.Context(), terminal{In: in, Out: out, Err: io.Discard}, "-", scoreFlags{output: output})
			if err != nil && !errors.Is(err, errUsage) && out.Len() == 0 && err.Error() == "" {
				t.Error("an error without words")
			}
			if strings.Contains(out.String(), "NaN,") && !strings.Contains(input, "NaN") {
				t.Errorf("NaN in the output of %q", input)
			}
		}
	})
}
