package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logcluster/logcluster/alert"
)

func someAlert(id string) *alert.Alert {
	at := time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)
	return &alert.Alert{ID: id, State: "firing", Role: "ClusterRole/<a>", Resource: "secrets", Access: "read", FiredAt: &at, WindowEnd: at, StartedAt: at}
}

func TestAlertLines(t *testing.T) {
	for form, want := range map[string]string{
		outputJSON:  `"id":"two"`,
		outputTable: "TIME ",
	} {
		var out bytes.Buffer
		l := newAlertLines(&out, form, slog.New(slog.DiscardHandler))
		l.changed(someAlert("one"))
		l.changed(someAlert("two"))
		l.close()
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "ClusterRole/<a>") {
			t.Errorf("%s:\n%s", form, out.String())
		}
		if lines := strings.Count(out.String(), "\n"); form == outputJSON && lines != 2 {
			t.Errorf("%d lines of JSON, want 2", lines)
		}
	}
}

// stuck is a reader that takes nothing until it is let go.
type stuck struct {
	letGo chan struct{}
	n     int
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.letGo
	s.n++
	return len(p), nil
}

func TestAlertLinesNeverBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{letGo: make(chan struct{})}
		var log bytes.Buffer
		l := newAlertLines(out, outputJSON, slog.New(slog.NewTextHandler(&log, nil)))
		l.changed(someAlert("first"))
		synctest.Wait() // the writer holds it
		for range maxWaitingLines + 3 {
			l.changed(someAlert("more"))
		}
		close(out.letGo)
		l.close()
		if out.n != maxWaitingLines+1 {
			t.Errorf("%d written, want %d", out.n, maxWaitingLines+1)
		}
		if n := strings.Count(log.String(), "its reader is too slow"); n != 3 {
			t.Errorf("%d times said that one was not written, want 3", n)
		}
	})
}

// A stop does not wait for a reader that takes nothing, and who is late with a
// change does no harm.
func TestAlertLinesEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{letGo: make(chan struct{})}
		var log bytes.Buffer
		l := newAlertLines(out, outputJSON, slog.New(slog.NewTextHandler(&log, nil)))
		l.changed(someAlert("first"))
		began := time.Now()
		l.close()
		if took := time.Since(began); took != maxLastLines {
			t.Errorf("closed after %s, want %s", took, maxLastLines)
		}
		if !strings.Contains(log.String(), "not all alerts were written") {
			t.Errorf("not said:\n%s", log.String())
		}
		l.changed(someAlert("late"))
		close(out.letGo)
	})
}

// gone is a pipe whose reader has left.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAlertLinesOutliveTheirReader(t *testing.T) {
	var log bytes.Buffer
	l := newAlertLines(gone{}, outputJSON, slog.New(slog.NewTextHandler(&log, nil)))
	for range 10 {
		l.changed(someAlert("x"))
	}
	l.close()
	if n := strings.Count(log.String(), "no longer written"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, log.String())
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	var out bytes.Buffer
	bar := newProgress(&out, "reading")
	if bar != nil || bar.report() != nil || bar.beside(&out) != &out {
		t.Error("there is a bar in a pipe")
	}
	bar.finish()
	if style := styleOf(&out); style.Color {
		t.Error("there is colour in a pipe")
	}
}

func TestOneOf(t *testing.T) {
	if err := oneOf("output", "table", "table", "json"); err != nil {
		t.Error(err)
	}
	if err := oneOf("output", "xml", "table", "json"); !errors.Is(err, errUsage) {
		t.Errorf("error %v", err)
	}
}
