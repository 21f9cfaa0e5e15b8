package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/logcluster/logcluster/baseline/level"
)

// scoreColumns are the columns that the score adds.
var scoreColumns = []string{"expected", "low", "high", "z", "anomaly_score"}

// rowWriter writes scored rows as CSV or JSON lines.
type rowWriter struct {
	csv    *csv.Writer   // nil for JSON
	out    *bufio.Writer // nil for CSV
	names  []string
	keys   [][]byte // the names as JSON keys
	record []string
	line   []byte
}

func newRowWriter(out *bufio.Writer, f scoreFlags) *rowWriter {
	if f.output == outputJSON {
		return &rowWriter{out: out}
	}
	return &rowWriter{csv: csv.NewWriter(out)}
}

// header takes the names of the columns; for CSV it writes them if the input
// had them. Only the first call does something.
func (w *rowWriter) header(names []string, has bool) error {
	if w.names != nil {
		return nil
	}
	w.names = names
	for _, n := range append(append([]string(nil), names...), scoreColumns...) {
		key, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("encode a column name: %w", err)
		}
		w.keys = append(w.keys, append(key, ':'))
	}
	if w.csv == nil || !has {
		return nil
	}
	return w.write(append(append([]string(nil), names...), scoreColumns...))
}

func (w *rowWriter) row(row seriesRow, r level.Result) error {
	if w.csv == nil {
		return w.object(row, r)
	}
	w.record = append(w.record[:0], row.fields...)
	if !r.Known {
		w.record = append(w.record, "", "", "", "", "")
		return w.write(w.record)
	}
	return w.write(append(w.record,
		number(r.Expected), number(r.Low), number(r.High),
		strconv.FormatFloat(r.Z, 'f', 3, 64), strconv.FormatFloat(r.AnomalyScore, 'f', 5, 64)))
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

// write writes a row. The CSV writer has no buffer of its own: it takes that of
// the bufio.Writer below, which flushFirst writes out.
func (w *rowWriter) write(record []string) error {
	if err := w.csv.Write(record); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	return nil
}

// object writes a row as a JSON object: the columns of the input as strings,
// but the value as a number, and null for what is not known.
func (w *rowWriter) object(row seriesRow, r level.Result) error {
	b := append(w.line[:0], '{')
	for i, f := range row.fields {
		if i >= len(w.names) {
			break
		}
		b = append(b, w.keys[i]...)
		if i == row.column {
			b = appendNumber(b, row.value, !math.IsNaN(row.value))
		} else {
			text, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("encode a row: %w", err)
			}
			b = append(b, text...)
		}
		b = append(b, ',')
	}
	for i, v := range [...]float64{r.Expected, r.Low, r.High, r.Z, r.AnomalyScore} {
		b = append(b, w.keys[len(w.names)+i]...)
		b = append(appendNumber(b, v, r.Known), ',')
	}
	b[len(b)-1] = '}'
	w.line = append(b, '\n')
	if _, err := w.out.Write(w.line); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	return nil
}

func appendNumber(b []byte, v float64, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'g', 8, 64)
}
