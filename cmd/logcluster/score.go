package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/baseline/level"
)

const scoreLong = `Score reads a numeric series, one row a line, and says of every row how it
compares with what was expected before it was read. Any series will do:
temperatures, CPU, money, counts, with or without days and weeks, flat lines,
steps and heavy tails. Nothing is tuned for a series; it learns as it goes, from
the rows before alone, in bounded memory.

The file is CSV, with a header or without; - is stdin. The timestamp is the
column of that name (or time, date, ts), else the first; the value is the column
of that name, else the second. Timestamps are RFC 3339, "2006-01-02 15:04:05"
(taken as UTC), or Unix seconds, milliseconds, microseconds or nanoseconds.
All columns are kept, and these are added:

  expected       the median of what was expected
  low, high      what 95 of 100 rows are within
  z              how far off the value is, calibrated on this series' own past:
                 beyond 2.5 in about 1 of 80 rows, positive for more
  anomaly_score  0 to 1, made for alarms: the value and the rows just before it,
                 by how often this series has had as much evidence against it:
                 once in R rows gives R/(R + N) with N = 1000, or a third of a
                 longer history: 0.5 is as rare as N rows, 0.9 as 9 N. What
                 lasts is shown when it begins, not again on every row: for each
                 row by itself look at z

The first row has no expectation and is left empty, as is a row whose value is
missing (empty, NaN, null). Missing values, repeated times and times before the
row before are counted on stderr; anything else that can't be read is an error
that names the line. In a pipe every row is written as soon as it is read.`

// The forms of scored rows.
const outputCSV = "csv"

// scoreFlags are the flags of the score command.
type scoreFlags struct {
	output, timeColumn, valueColumn string
	least                           float64
}

func newScore(t terminal) *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "score FILE.csv|-",
		Short: "Score the rows of any numeric series",
		Long:  scoreLong,
		Example: `  logcluster score temperature.csv > scored.csv
  logcluster score --min-score 0.5 --output json cpu.csv
  logcluster score --value-column p99 --time-column 1 latency.csv
  tail -n +1 -f requests.csv | logcluster score -`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	outputFlag(cmd, &f.output, "how the rows are written: csv or json (one object a line)", outputCSV, outputJSON)
	flags.StringVar(&f.timeColumn, "time-column", "", "`name or number` (from 1) of the column with the timestamp")
	flags.StringVar(&f.valueColumn, "value-column", "", "`name or number` (from 1) of the column with the value")
	flags.Float64Var(&f.least, "min-score", 0, "write only rows with at least this anomaly_score")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := oneOf("output", f.output, outputCSV, outputJSON)
		if !(f.least >= 0 && f.least <= 1) {
			err = errors.Join(err, fmt.Errorf("%w: --min-score %g is not between 0 and 1", errUsage, f.least))
		}
		if err != nil {
			return err
		}
		return ignoreClosedPipe(scoreFile(cmd.Context(), t, args[0], f))
	}
	return cmd
}

// scoreFile scores a file, or stdin.
func scoreFile(ctx context.Context, t terminal, name string, f scoreFlags) error {
	in := t.In
	if name == "-" {
		name = "stdin"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open the series: %w", err)
		}
		defer file.Close()
		in = file
	}
	if c, ok := in.(io.Closer); ok {
		// A read that waits for more input ends with its file.
		defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	}
	out := bufio.NewWriterSize(t.Out, 1<<16)
	rows := newSeriesRows(&flushFirst{in: in, out: out}, name, f.timeColumn, f.valueColumn)
	err := scoreRows(ctx, rows, newRowWriter(out, f), f.least)
	if ctx.Err() != nil {
		err = nil
	}
	err = errors.Join(err, out.Flush())
	if err == nil {
		fmt.Fprintln(t.Err, rows.counts.summary())
	}
	return err
}

// scoreRows scores row by row until the input ends.
func scoreRows(ctx context.Context, rows *seriesRows, w *rowWriter, least float64) error {
	series := level.New(level.DefaultConfig())
	for ctx.Err() == nil {
		row, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.header(rows.names, rows.hasHeader); err != nil {
			return err
		}
		result := series.Next(row.at, row.value)
		if least > 0 && result.AnomalyScore < least {
			continue
		}
		if err := w.row(row, result); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// flushFirst writes out what there is before it waits for more input, so that
// a row in a pipe is not held back and one in a file costs no system call.
type flushFirst struct {
	in  io.Reader
	out *bufio.Writer
}

func (f *flushFirst) Read(p []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, fmt.Errorf("write the rows: %w", err)
	}
	return f.in.Read(p)
}
