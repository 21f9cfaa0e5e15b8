package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// seriesRow is a row of a series.
type seriesRow struct {
	fields []string // as they were read; overwritten by the next row
	at     int64    // Unix nanoseconds
	value  float64  // NaN where it is missing
	column int      // the one of the value
}

// seriesRows reads the rows of a series in CSV.
type seriesRows struct {
	csv       *csv.Reader
	name      string // of the file, for errors
	time      column
	value     column
	names     []string // of the columns
	hasHeader bool
	first     []string // a row that was read to look for a header
	last      int64
	counts    rowCounts
}

// column is the place of a column, as it was asked for and as it was found.
type column struct {
	want  string
	usual []string
	index int
}

// rowCounts are how many rows there were and what was odd about them.
type rowCounts struct{ rows, missing, repeated, backwards int }

func (c rowCounts) summary() string {
	s := fmt.Sprintf("%d rows", c.rows)
	for _, odd := range []struct {
		n    int
		what string
	}{
		{c.missing, "without a value (not scored)"},
		{c.repeated, "with the time of the row before"},
		{c.backwards, "with an earlier time than the row before (taken in the order of the file)"},
	} {
		if odd.n > 0 {
			s += fmt.Sprintf(", %d %s", odd.n, odd.what)
		}
	}
	return s
}

func newSeriesRows(in io.Reader, name, timeColumn, valueColumn string) *seriesRows {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	return &seriesRows{
		csv: r, name: name,
		time:  column{want: timeColumn, usual: []string{"timestamp", "time", "date", "ts"}, index: 0},
		value: column{want: valueColumn, usual: []string{"value"}, index: 1},
	}
}

// next returns the next row, or io.EOF.
func (s *seriesRows) next() (seriesRow, error) {
	if s.names == nil {
		if err := s.begin(); err != nil {
			return seriesRow{}, err
		}
	}
	fields := s.first
	s.first = nil
	if fields == nil {
		var err error
		if fields, err = s.read(); err != nil {
			return seriesRow{}, err
		}
	}
	row, err := s.parse(fields)
	if err != nil {
		line, _ := s.csv.FieldPos(0)
		return row, fmt.Errorf("%s:%d: %w", s.name, line, err)
	}
	s.count(row)
	return row, nil
}

func (s *seriesRows) read() ([]string, error) {
	fields, err := s.csv.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: %w", s.name, err)
	}
	return fields, err
}

// begin reads the first line: a header, unless it has a timestamp and a value
// where they are to be.
func (s *seriesRows) begin() error {
	fields, err := s.read()
	if err != nil {
		return err
	}
	fields[0] = strings.TrimPrefix(fields[0], "\ufeff")
	s.first = slices.Clone(fields)
	for i := range fields {
		s.names = append(s.names, fmt.Sprintf("column_%d", i+1))
	}
	// Without a header there are no names, and a wanted one is not found.
	if s.numbered() == nil {
		if _, err := s.parse(s.first); err == nil {
			s.names[s.time.index], s.names[s.value.index] = "timestamp", "value"
			return nil
		}
	}
	_, errTime := parseTimestamp(field(fields, s.time.index))
	_, errValue := parseValue(field(fields, s.value.index))
	if errTime == nil || errValue == nil && strings.TrimSpace(field(fields, s.value.index)) != "" {
		_, err := s.parse(s.first)
		return errors.Join(s.numbered(), wrapLine(s.name, 1, err))
	}
	s.names, s.first, s.hasHeader = s.first, nil, true
	return errors.Join(s.time.find(s.names), s.value.find(s.names))
}

func wrapLine(name string, line int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s:%d: %w", name, line, err)
}

func field(fields []string, i int) string {
	if i < len(fields) {
		return fields[i]
	}
	return ""
}

// numbered sets the columns that were asked for by number.
func (s *seriesRows) numbered() error {
	return errors.Join(s.time.number(len(s.names)), s.value.number(len(s.names)))
}

func (c *column) number(columns int) error {
	if c.want == "" {
		return nil
	}
	n, err := strconv.Atoi(c.want)
	if err != nil || n < 1 || n > columns {
		return fmt.Errorf("%w: no column %q among %d without names", errUsage, c.want, columns)
	}
	c.index = n - 1
	return nil
}

// find sets the column by the names of a header.
func (c *column) find(names []string) error {
	for i, n := range names {
		if c.want != "" && strings.TrimSpace(n) == c.want {
			c.index = i
			return nil
		}
	}
	if c.want != "" {
		if c.number(len(names)) != nil {
			return fmt.Errorf("%w: no column %q among %s", errUsage, c.want, strings.Join(names, ", "))
		}
		return nil
	}
	for _, usual := range c.usual {
		for i, n := range names {
			if strings.EqualFold(strings.TrimSpace(n), usual) {
				c.index = i
				return nil
			}
		}
	}
	return nil
}

// parse reads the timestamp and the value.
func (s *seriesRows) parse(fields []string) (seriesRow, error) {
	if need := max(s.time.index, s.value.index); need >= len(fields) {
		return seriesRow{}, fmt.Errorf("%d columns, but column %d is wanted", len(fields), need+1)
	}
	at, err := parseTimestamp(fields[s.time.index])
	if err != nil {
		return seriesRow{}, err
	}
	v, err := parseValue(fields[s.value.index])
	if err != nil {
		return seriesRow{}, err
	}
	return seriesRow{fields: fields, at: at, value: v, column: s.value.index}, nil
}

// count notes what is odd about a row.
func (s *seriesRows) count(row seriesRow) {
	c := &s.counts
	c.rows++
	if math.IsNaN(row.value) {
		c.missing++
	}
	if c.rows > 1 && row.at == s.last {
		c.repeated++
	}
	if c.rows > 1 && row.at < s.last {
		c.backwards++
	}
	s.last = row.at
}

// timeLayouts are the ways to write a time. A fraction of a second may follow.
var timeLayouts = []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04", time.DateOnly}

// parseTimestamp returns Unix nanoseconds. Times without a zone are UTC.
func parseTimestamp(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return fromUnix(text, n)
	}
	for _, layout := range timeLayouts {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if y := at.Year(); y < 1678 || y > 2261 {
			return 0, fmt.Errorf("the timestamp %q is not between the years 1678 and 2261", text)
		}
		return at.UnixNano(), nil
	}
	return 0, fmt.Errorf("read the timestamp %q: want RFC 3339, \"2006-01-02 15:04:05\" or Unix time", text)
}

// fromUnix tells seconds, milliseconds, microseconds and nanoseconds by size:
// what is less than 10^11 is seconds until the year 5138.
func fromUnix(text string, n float64) (int64, error) {
	unit := int64(time.Second)
	for size := math.Abs(n); size >= 1e11 && unit > 1; size /= 1000 {
		unit /= 1000
	}
	if math.IsNaN(n) || math.Abs(n)*float64(unit) > 9.2e18 {
		return 0, fmt.Errorf("the timestamp %q is not between the years 1678 and 2261", text)
	}
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole * unit, nil
	}
	whole, part := math.Modf(n)
	return int64(whole)*unit + int64(math.Round(part*float64(unit))), nil
}

// parseValue returns NaN for a value that is missing or not finite.
func parseValue(text string) (float64, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "na", "n/a", "null", "none", "-":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("read the value %q: it is no number", text)
	}
	if math.IsInf(v, 0) {
		return math.NaN(), nil
	}
	return v, nil
}
