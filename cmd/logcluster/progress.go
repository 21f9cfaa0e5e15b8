package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// progressTo returns w when a person is watching it, else nil: progress is for
// a terminal, never for a pipe or a file.
func progressTo(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return w
	}
	return nil
}
