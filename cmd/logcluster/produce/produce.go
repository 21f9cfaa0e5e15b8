// Package produce publishes recordings of audit events to a Kafka topic, at
// the speed they were recorded at or a multiple of it.
package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/grafana/dskit/services"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logcluster/logcluster/ingest/kafka"
	"github.com/logcluster/logcluster/ingest/recording"
)

// Options say what is published, where to and how.
type Options struct {
	// Client says how to reach the brokers.
	Client kafka.ClientConfig
	// Topic is written to.
	Topic string
	// Create makes the topic when it is missing, with this many partitions; 0
	// means the broker's default.
	Create     bool
	Partitions int32
	// Files are read in order as one stream; "-" is standard input.
	Files []string
	// Open opens one of the files; nil means [recording.Open].
	Open func(name string) (*recording.Source, error)
	// Speed is how much faster than recorded; 0 as fast as possible.
	Speed Speed
	// Rebase moves all times of the recording such that its last event happens
	// at the moment it is published: at 1x the recorded time begins now; faster,
	// it begins in the past and catches up. Nothing is ever ahead of the clock.
	// The files are read twice.
	Rebase bool
	// NoKey lets the client spread the records over the partitions. Without it
	// the key is a hash of the user: what one subject did stays in order.
	NoKey bool
	// Progress is told, now and then, how many bytes of how many have been
	// read; total is 0 when unknown. Nil for nobody.
	Progress func(read, total int64)
	Logger   *slog.Logger
}

// Summary is what has been published.
type Summary struct {
	// Records and Bytes (of values) are those that the broker has taken.
	Records, Bytes int64
	// Failed are those that it has not, TooLong lines that were left out for
	// their length, and Timeless those without a time: they are published, at
	// no particular moment.
	Failed, TooLong, Timeless int64
	// First and Last are the earliest and latest event times as published.
	First, Last time.Time
	// Took is the time it took.
	Took time.Duration
}

// Run publishes until the end or until ctx is done; then it waits for what is
// under way. The summary holds in any case. The error is that of the first
// record that failed, if one did.
func Run(ctx context.Context, o Options) (Summary, error) {
	if o.Open == nil {
		o.Open = func(name string) (*recording.Source, error) { return recording.Open(name, recording.Options{}) }
	}
	shift, err := o.shift(ctx)
	if err != nil {
		return Summary{}, err
	}
	if o.Create {
		if err := o.createTopic(ctx); err != nil {
			return Summary{}, err
		}
	}
	writer, err := o.connect(ctx)
	if err != nil {
		return Summary{}, err
	}
	p := &publisher{o: &o, writer: writer, shift: shift, pace: pace{speed: o.Speed}}
	began := time.Now()
	err = p.files(ctx)
	if err == nil {
		err = writer.Flush(ctx)
	}
	// After an interruption this is what delivers what is under way, for as
	// long as a broker that is there would need.
	err = errors.Join(err, services.StopAndAwaitTerminated(context.WithoutCancel(ctx), writer))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum.Took = time.Since(began)
	return p.sum, errors.Join(err, p.failure)
}

// connect returns a writer to the topic that runs.
func (o *Options) connect(ctx context.Context) (*kafka.Writer, error) {
	cfg := kafka.DefaultWriterConfig()
	cfg.Client, cfg.Topic = o.Client, o.Topic
	writer := kafka.NewWriter(cfg, o.Logger)
	// The service outlives ctx: what is under way then is still to be delivered.
	if err := writer.StartAsync(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	if err := writer.AwaitRunning(ctx); err != nil {
		writer.StopAsync()
		if cause := writer.FailureCase(); cause != nil {
			err = cause // without the words of the service around it
		}
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return writer, nil
}

// shift returns by how much all times are moved.
func (o *Options) shift(ctx context.Context) (time.Duration, error) {
	if !o.Rebase {
		return 0, nil
	}
	var l line
	var first, last time.Time
	err := o.each(ctx, nil, func(text []byte) error {
		l.read(text)
		if l.time.IsZero() {
			return nil
		}
		if first.IsZero() {
			first = l.time
		}
		if l.time.After(last) {
			last = l.time
		}
		return nil
	}, nil)
	if err != nil || last.IsZero() {
		return 0, err
	}
	end := time.Now().Add(o.Speed.takes(last.Sub(first)))
	// Whole microseconds: times are written with no more.
	return end.Sub(last).Truncate(time.Microsecond), nil
}

// each visits the lines of all files. A line is valid during its visit.
func (o *Options) each(ctx context.Context, progress func(read, total int64), visit func([]byte) error, long func(int)) error {
	for _, name := range o.Files {
		if err := o.eachOf(ctx, name, progress, visit, long); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) eachOf(
	ctx context.Context, name string, progress func(read, total int64), visit func([]byte) error, long func(int),
) (err error) {
	source, err := o.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	for {
		batch, err := source.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if long != nil {
			long(batch.TooLong)
		}
		for _, text := range batch.Values {
			if err := visit(text); err != nil {
				return err
			}
		}
		batch.Release()
		if progress != nil {
			progress(source.Progress())
		}
	}
}

// createTopic makes the topic; one that exists is left as it is.
func (o *Options) createTopic(ctx context.Context) error {
	client, err := kafka.NewClient(&o.Client, o.Logger)
	if err != nil {
		return err
	}
	defer client.Close()
	partitions := o.Partitions
	if partitions == 0 {
		partitions = -1 // the broker's default
	}
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, o.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", o.Topic, err)
	}
	return nil
}

// publisher sends the lines. The summary is shared with the callbacks of the
// writer.
type publisher struct {
	o      *Options
	writer *kafka.Writer
	shift  time.Duration
	pace   pace
	line   line

	mu      sync.Mutex
	sum     Summary
	failure error
}

func (p *publisher) files(ctx context.Context) error {
	return p.o.each(ctx, p.o.Progress,
		func(text []byte) error { return p.publish(ctx, text) },
		func(n int) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sum.TooLong += int64(n)
		})
}

func (p *publisher) publish(ctx context.Context, text []byte) error {
	p.line.read(text)
	if err := p.pace.wait(ctx, p.line.time); err != nil {
		return err
	}
	m := kafka.Message{Value: p.line.shifted(text, p.shift)}
	if !p.line.time.IsZero() {
		m.Timestamp = p.line.time.Add(p.shift)
	}
	if !p.o.NoKey && p.line.user != nil {
		m.Key = strconv.AppendUint(nil, xxhash.Sum64(p.line.user), 16)
	}
	at, size := m.Timestamp, len(m.Value)
	// Without the cancellation: what has been read is delivered.
	p.writer.Send(context.WithoutCancel(ctx), m, func(err error) { p.done(at, size, err) })
	return nil
}

// done counts the outcome of a record of so many bytes, recorded at t.
func (p *publisher) done(t time.Time, size int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.sum.Failed++
		if p.failure == nil {
			p.failure = fmt.Errorf("publish to topic %s: %w", p.o.Topic, err)
		}
		return
	}
	p.sum.Records++
	p.sum.Bytes += int64(size)
	switch {
	case t.IsZero():
		p.sum.Timeless++
		return
	case p.sum.First.IsZero() || t.Before(p.sum.First):
		p.sum.First = t
	}
	if t.After(p.sum.Last) {
		p.sum.Last = t
	}
}
