package review

import (
	"context"
	"fmt"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/recording"
)

// Span says what a report is based on.
type Span struct {
	// Events is the number of requests read, each counted once.
	Events uint64 `json:"events"`
	// From and To are the event times of the first and the last of them; zero
	// without any.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Rejected are records that could not be read as audit events, and Filtered
	// are events that stand for a request that another one counts for.
	Rejected uint64 `json:"rejected"`
	Filtered uint64 `json:"filtered"`
}

// Duration is the time between the first and the last event.
func (s *Span) Duration() time.Duration { return s.To.Sub(s.From) }

func (s *Span) add(t int64) {
	at := time.Unix(0, t).UTC()
	if s.Events == 0 || at.Before(s.From) {
		s.From = at
	}
	if s.Events == 0 || at.After(s.To) {
		s.To = at
	}
	s.Events++
}

// Reader decodes recorded audit events for a report. It is not safe for
// concurrent use.
type Reader struct {
	span    Span
	decoder *ingest.Decoder
	limit   int
	emit    func(*fingerprint.Event)
}

// NewReader returns a reader that calls visit with every event. The event is
// valid only until visit returns.
func NewReader(cfg ingest.Config, visit func(*fingerprint.Event)) *Reader {
	r := &Reader{decoder: ingest.NewDecoder(cfg), limit: cfg.MaxRecordBytes}
	r.emit = func(e *fingerprint.Event) {
		r.span.add(e.Time)
		visit(e)
	}
	return r
}

// Span returns what has been read.
func (r *Reader) Span() Span { return r.span }

// Record reads one record: an audit Event, an EventList, or some of them.
func (r *Reader) Record(value []byte) {
	result, _ := r.decoder.Decode(value, r.emit) // what it rejects, it counts
	for _, n := range result.Rejected {
		r.span.Rejected += uint64(n)
	}
	for _, n := range result.Filtered {
		r.span.Filtered += uint64(n)
	}
}

// File reads every line of a file, or of standard input if the name is "-".
// Progress, which may be nil, is told about the bytes read of total (0 when
// unknown).
func (r *Reader) File(ctx context.Context, name string, progress func(read, total int64)) error {
	in, err := recording.Open(name, recording.Options{MaxLineBytes: r.limit})
	if err != nil {
		return err
	}
	err = in.Each(ctx, func(batch *recording.Batch) error {
		for _, line := range batch.Values {
			r.Record(line)
		}
		r.span.Rejected += uint64(batch.TooLong)
		if progress != nil {
			progress(in.Progress())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
