package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// isTerminal reports whether a person is watching w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progressInterval is how often the bar is drawn at most.
const progressInterval = 100 * time.Millisecond

// progress is a bar on a terminal. A nil one shows nothing: progress is for a
// person, never for a pipe or a file.
type progress struct {
	mu  sync.Mutex
	bar *progressbar.ProgressBar
}

// newProgress returns a bar on w, nil when w is no terminal.
func newProgress(w io.Writer, what string) *progress {
	if !isTerminal(w) {
		return nil
	}
	return &progress{bar: progressbar.NewOptions64(
		-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(progressInterval),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine
		progressbar.OptionClearOnFinish(),
	)}
}

// report returns the function that moves the bar, nil without one: read bytes
// of total, which is 0 when unknown.
func (p *progress) report() func(read, total int64) {
	if p == nil {
		return nil
	}
	return func(read, total int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if total > 0 && p.bar.GetMax64() != total {
			p.bar.Reset()
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(read) // what it can't draw is not worth a failure
	}
}

// finish takes the bar away.
func (p *progress) finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.bar.Clear()
}

// beside returns a writer to w that takes the bar out of the way first, when
// both are on a terminal.
func (p *progress) beside(w io.Writer) io.Writer {
	if p == nil || !isTerminal(w) {
		return w
	}
	return &besideBar{w: w, p: p}
}

type besideBar struct {
	w io.Writer
	p *progress
}

// Write clears the bar and writes.
func (b *besideBar) Write(text []byte) (int, error) {
	b.p.finish()
	return b.w.Write(text)
}
