package alert

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

// LineStyle is how alerts are written as lines of a table.
type LineStyle struct {
	// Color marks state and severity with ANSI colours: for a terminal that
	// wants them.
	Color bool
	// Width cuts lines to this many terminal cells; 0 means not at all.
	Width int
}

// columns of the table that have a fixed width, in cells.
const (
	timeWidth  = 15
	stateWidth = 8
	rankWidth  = 4
	zWidth     = 7
	whoWidth   = 52
	whatWidth  = 32
	muchWidth  = 48
	sinceWidth = 16
)

// WriteHeader writes the line that names the columns of [WriteLine].
func WriteHeader(w io.Writer, s LineStyle) error {
	line := row("TIME", "STATE", "RANK", "Z", "WHO", "WHAT", "HOW MUCH", "SINCE", "ROLE")
	return s.write(w, line, "\x1b[1m")
}

// WriteLine writes an alert as one line: when, its state, rank and z, who, what,
// how much against how much usual, since when, under which role. Columns are aligned whatever
// script their text is in; a longer text pushes the rest of its line aside
// rather than be cut. The text of an [Alert] made by [From] holds nothing that a
// terminal would obey.
func WriteLine(w io.Writer, a *Alert, s LineStyle) error {
	rank := "-"
	if a.Rank > 0 {
		rank = "#" + strconv.Itoa(a.Rank)
	}
	role := shortRole(a.Role)
	who, ok := lead(a)
	if !ok {
		who = role
	}
	if a.Learning {
		role += " (learning)"
	}
	when, since := a.WindowEnd.UTC().Format("Jan 02 15:04:05"), clock(a.StartedAt, a.WindowEnd)
	line := row(when, a.State, rank, signed(a.Z), who, What(a), HowMuch(a), since, role)
	return s.write(w, line, colorOf(a))
}

// row sets cells in columns.
func row(when, state, rank, z, who, what, much, since, role string) string {
	return strings.Join([]string{
		padded(when, timeWidth), padded(state, stateWidth), flushed(rank, rankWidth), flushed(z, zWidth),
		padded(who, whoWidth), padded(what, whatWidth), padded(much, muchWidth), padded(since, sinceWidth), role,
	}, "  ")
}

func signed(z float64) string {
	switch size := math.Abs(z); {
	case size >= 1e6:
		return fmt.Sprintf("%+.0e", z)
	case size >= 1000:
		return fmt.Sprintf("%+.0f", z)
	}
	return fmt.Sprintf("%+.1f", z)
}

// padded fills s with spaces on the right to a width in cells.
func padded(s string, width int) string { return s + blanks(s, width) }

// flushed fills s with spaces on the left to a width in cells.
func flushed(s string, width int) string { return blanks(s, width) + s }

func blanks(s string, width int) string {
	return strings.Repeat(" ", max(0, width-uniseg.StringWidth(s)))
}

// colorOf is the ANSI sequence for a line: red, yellow or plain while firing,
// faint when it is over.
func colorOf(a *Alert) string {
	switch {
	case a.State != "firing":
		return "\x1b[2m"
	case a.Severity == "critical":
		return "\x1b[1;31m"
	case a.Severity == "warning":
		return "\x1b[33m"
	}
	return ""
}

func (s LineStyle) write(w io.Writer, line, color string) error {
	if s.Width > 0 {
		line = cutCells(line, s.Width)
	}
	if s.Color && color != "" {
		line = color + line + "\x1b[0m"
	}
	if _, err := io.WriteString(w, line+"\n"); err != nil {
		return fmt.Errorf("write alert line: %w", err)
	}
	return nil
}

// cutCells cuts a line to a width in cells, at a grapheme.
func cutCells(s string, width int) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	graphemes := uniseg.NewGraphemes(s)
	used, end := 0, 0
	for graphemes.Next() {
		if used += graphemes.Width(); used > width-1 {
			break
		}
		_, end = graphemes.Positions()
	}
	return s[:end] + ellipsis
}
