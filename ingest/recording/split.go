package recording

import (
	"bytes"
	"errors"
	"io"
)

// splitter cuts a text into lines.
type splitter struct {
	r       io.Reader
	options Options
	// rest is the begun line that the last batch ended with.
	rest []byte
	// skipping says that the begun line is too long and what comes of it is
	// thrown away.
	skipping bool
	// line is the number of the next line, from 1.
	line int64
}

// fill makes the batch hold the next whole lines: those of one read, so that
// lines from a pipe are not held back until a buffer is full, and so many
// reads as one long line needs. An error, io.EOF among them, comes with the
// last lines.
func (s *splitter) fill(b *Batch) error {
	b.Values, b.TooLong, b.Line = b.Values[:0], 0, s.line
	size := max(s.options.BatchBytes, 2*len(s.rest))
	if len(b.buffer) != size { // not grown for one long line and kept for ever
		b.buffer = make([]byte, size)
	}
	n := copy(b.buffer, s.rest)
	s.rest = s.rest[:0]
	for {
		read, err := s.r.Read(b.buffer[n:])
		fresh := n
		n += read
		end := bytes.LastIndexByte(b.buffer[fresh:n], '\n')
		switch {
		case end >= 0:
			end += fresh + 1
			s.split(b, b.buffer[:end])
			s.rest = append(s.rest, b.buffer[end:n]...)
			if err != nil {
				s.finish(b, err)
			}
			return err
		case err != nil:
			s.rest = append(s.rest, b.buffer[:n]...)
			s.finish(b, err)
			return err
		case s.skipping, n > s.options.MaxLineBytes:
			s.skipping, n = true, 0
		case n == len(b.buffer):
			b.buffer = append(b.buffer, make([]byte, n)...)
		}
	}
}

// finish takes the line that the text ends with, if the text ends well: after
// another error it may be half a line.
func (s *splitter) finish(b *Batch, err error) {
	if errors.Is(err, io.EOF) && (len(s.rest) > 0 || s.skipping) {
		s.add(b, s.rest)
	}
	s.rest, s.skipping = nil, false
}

// split adds the lines of a text that ends with a newline.
func (s *splitter) split(b *Batch, text []byte) {
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		s.add(b, text[:end])
		text = text[end+1:]
	}
}

func (s *splitter) add(b *Batch, line []byte) {
	s.line++
	line = bytes.TrimSuffix(line, carriageReturn)
	switch {
	case s.skipping, len(line) > s.options.MaxLineBytes:
		b.TooLong++
		s.skipping = false
	case len(line) > 0:
		b.Values = append(b.Values, line[:len(line):len(line)])
	}
}

var carriageReturn = []byte{'\r'}
