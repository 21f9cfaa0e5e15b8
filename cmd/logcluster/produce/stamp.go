package produce

import (
	"bytes"
	"time"

	"github.com/go-faster/jx"
)

// microTime is how Kubernetes writes the times of an audit event.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// maxDepth is how deep a list of events may nest lists: an EventList has
// items, an item none.
const maxDepth = 1

// span is a part of a line.
type span struct{ from, to int }

// line is what is known of one line of a recording: who, when, and where its
// times stand. It is reused; the fields alias the line.
type line struct {
	decoder jx.Decoder
	// user is the first event's user name, as it is written in JSON.
	user []byte
	// time is the latest stage timestamp, zero when there is none that can be
	// read.
	time time.Time
	// times are the values of stageTimestamp and requestReceivedTimestamp,
	// without their quotes, in the order of the line.
	times []span
}

// read looks at a line: an audit Event or an EventList. What cannot be read is
// published as it is: judging it is the business of who consumes it.
func (l *line) read(text []byte) {
	l.user, l.time, l.times = nil, time.Time{}, l.times[:0]
	l.decoder.ResetBytes(text)
	if err := l.event(text, 0); err != nil {
		l.times = l.times[:0]
	}
}

func (l *line) event(text []byte, depth int) error {
	if l.decoder.Next() != jx.Object {
		return l.decoder.Skip()
	}
	return l.decoder.ObjBytes(func(d *jx.Decoder, key []byte) error {
		switch string(key) {
		case "stageTimestamp":
			return l.timestamp(text, true)
		case "requestReceivedTimestamp":
			return l.timestamp(text, false)
		case "user":
			return l.subject()
		case "items":
			if depth < maxDepth && d.Next() == jx.Array {
				return d.Arr(func(*jx.Decoder) error { return l.event(text, depth+1) })
			}
		}
		return d.Skip()
	})
}

// timestamp notes where a time stands, and the time itself if it is the one
// that an event is counted at.
func (l *line) timestamp(text []byte, counts bool) error {
	raw, err := l.decoder.Raw()
	if err != nil {
		return err
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	value := raw[1 : len(raw)-1]
	if t, err := time.Parse(time.RFC3339Nano, string(value)); err == nil {
		from := cap(text) - cap(value) // value is a part of text
		l.times = append(l.times, span{from, from + len(value)})
		if counts && t.After(l.time) {
			l.time = t
		}
	}
	return nil
}

func (l *line) subject() error {
	if l.decoder.Next() != jx.Object {
		return l.decoder.Skip()
	}
	return l.decoder.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if string(key) != "username" || l.user != nil {
			return d.Skip()
		}
		raw, err := d.Raw()
		l.user = bytes.TrimSpace(raw)
		return err
	})
}

// shifted returns a copy of the text that was read, with all its times moved
// by the shift. Each is written to the microsecond in UTC, which is how it was
// written in an audit log of Kubernetes: then the length stays the same.
func (l *line) shifted(text []byte, by time.Duration) []byte {
	if by == 0 || len(l.times) == 0 {
		return bytes.Clone(text)
	}
	out := make([]byte, 0, len(text)+len(l.times)*len(microTime))
	end := 0
	for _, at := range l.times {
		t, err := time.Parse(time.RFC3339Nano, string(text[at.from:at.to]))
		if err != nil {
			continue // it was read before
		}
		out = append(out, text[end:at.from]...)
		out = t.Add(by).UTC().AppendFormat(out, microTime)
		end = at.to
	}
	return append(out, text[end:]...)
}
