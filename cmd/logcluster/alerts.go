package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/alert"
)

// The forms of a result.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputNone  = "none"
)

// outputFlag adds --output with its values, the first of which is the default.
func outputFlag(cmd *cobra.Command, to *string, usage string, values ...string) {
	cmd.Flags().StringVarP(to, "output", "o", values[0], usage)
	choices(cmd, "output", values...)
}

// oneOf returns an error that names the flag unless the value is one of those
// allowed.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%w: --%s %q is none of %v", errUsage, flag, value, allowed)
}

// styleOf returns how lines look on w: in colour on a terminal, unless the
// person does not want any (https://no-color.org).
func styleOf(w io.Writer) alert.LineStyle {
	return alert.LineStyle{Color: isTerminal(w) && os.Getenv("NO_COLOR") == ""}
}

// alertLines writes every change of an alert on one line, from a goroutine of
// its own: whoever reads a pipe slowly must not hold up the detection.
type alertLines struct {
	queue chan *alert.Alert
	quit  chan struct{} // closed when nothing more is to come
	done  chan struct{} // closed when all is written
	log   *slog.Logger
}

// maxWaitingLines is how many changes may wait for a slow reader. What comes
// after them is not written here; the sinks and the page have it all the same.
const maxWaitingLines = 4096

// maxLastLines is how long a stop waits for the reader of stdout.
const maxLastLines = time.Second

// newAlertLines starts writing to w; close ends it.
func newAlertLines(w io.Writer, form string, log *slog.Logger) *alertLines {
	l := &alertLines{
		queue: make(chan *alert.Alert, maxWaitingLines),
		quit:  make(chan struct{}), done: make(chan struct{}), log: log,
	}
	go func() {
		defer close(l.done)
		l.write(w, form)
	}()
	return l
}

// changed takes a change. It never blocks.
func (l *alertLines) changed(a *alert.Alert) {
	kept := *a
	select {
	case l.queue <- &kept:
	default:
		l.log.Warn("alert not written to stdout: its reader is too slow", "id", a.ID)
	}
}

// close writes what waits and returns when it is written, or when its reader
// takes too long.
func (l *alertLines) close() {
	close(l.quit)
	select {
	case <-l.done:
	case <-time.After(maxLastLines):
		l.log.Warn("not all alerts were written to stdout: its reader is too slow")
	}
}

// next returns the next alert, and false when there is none and none to come.
func (l *alertLines) next() (*alert.Alert, bool) {
	select {
	case a := <-l.queue:
		return a, true
	case <-l.quit:
	}
	select {
	case a := <-l.queue:
		return a, true
	default:
		return nil, false
	}
}

func (l *alertLines) write(w io.Writer, form string) {
	style := styleOf(w)
	var err error
	if form == outputTable {
		err = alert.WriteHeader(w, style)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for a, ok := l.next(); ok; a, ok = l.next() {
		if err != nil {
			continue // the reader is gone; let the detection go on
		}
		if form == outputJSON {
			err = encoder.Encode(a)
		} else {
			err = alert.WriteLine(w, a, style)
		}
		if err != nil {
			l.log.Warn("alerts are no longer written to stdout", "error", err)
		}
	}
}
