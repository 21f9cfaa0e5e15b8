package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// WriterConfig configures a [Writer].
type WriterConfig struct {
	// Client says how to reach the brokers. It is not configured here: the
	// application gives everything the same.
	Client ClientConfig `yaml:"-"`
	// Topic is the topic to write to.
	Topic string `yaml:"topic"`
	// CreateTopics makes the topic with the broker's defaults when it is
	// missing instead of refusing to start.
	CreateTopics bool `yaml:"create_topics"`
	// MaxBuffered is the number of records that may wait for the broker.
	// [Writer.Send] waits while there are as many.
	MaxBuffered int `yaml:"max_buffered"`
	// MaxRecordBytes is the size of a batch, and so of a record, above which
	// it is refused. The broker has a limit of its own, 1 MiB by default.
	MaxRecordBytes int32 `yaml:"max_record_bytes"`
	// Linger is how long a record waits for others to share a batch with.
	Linger time.Duration `yaml:"linger"`
	// DrainTimeout bounds how long stopping waits for what is under way. There
	// is no other limit to how often a delivery is tried: a caller that wants
	// one gives its context a deadline.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultWriterConfig returns the defaults, without brokers and topic.
func DefaultWriterConfig() WriterConfig {
	return WriterConfig{
		Client: DefaultClientConfig(), MaxBuffered: 10_000, MaxRecordBytes: 1 << 20,
		Linger: 5 * time.Millisecond, DrainTimeout: 10 * time.Second,
	}
}

// Validate returns all problems of the configuration, joined. It does no I/O.
func (c *WriterConfig) Validate() error {
	errs := []error{
		c.Client.Validate(),
		within("max_buffered", c.MaxBuffered, 1, 10_000_000),
		within("max_record_bytes", c.MaxRecordBytes, 1<<10, 1<<30),
		within("linger", c.Linger, 0, time.Minute),
		within("drain_timeout", c.DrainTimeout, time.Millisecond, time.Hour),
	}
	if c.Topic == "" {
		errs = append(errs, errors.New("topic: empty"))
	}
	return errors.Join(errs...)
}

// ErrFull says that a message was not taken because as many as allowed are
// under way.
var ErrFull = errors.New("the writer's buffer is full")

// Message is a record to write.
type Message struct {
	// Key chooses the partition: the same key, the same partition. Nil lets
	// the client choose.
	Key []byte
	// Value is the contents. It must not be changed until the write is done.
	Value []byte
	// Headers are written in their order.
	Headers []Header
	// Timestamp is the record's time; zero for the time of writing.
	Timestamp time.Time
}

// Header is a named value beside a record.
type Header struct {
	Key   string
	Value string
}

// Writer writes records to one topic. It is a dskit service: starting connects
// and checks the topic, stopping waits for what is under way. Its methods are
// safe for concurrent use while it runs.
type Writer struct {
	services.Service

	cfg    WriterConfig
	logger *slog.Logger
	more   []kgo.Opt
	client *kgo.Client
}

// NewWriter returns a writer that is not started. The configuration must be
// valid; a nil logger discards.
func NewWriter(cfg WriterConfig, logger *slog.Logger) *Writer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	w := &Writer{cfg: cfg, logger: logger}
	w.Service = services.NewIdleService(w.starting, w.stopping).WithName("kafka writer")
	return w
}

func (w *Writer) starting(ctx context.Context) error {
	client, err := NewClient(&w.cfg.Client, w.logger, append([]kgo.Opt{
		kgo.DefaultProduceTopic(w.cfg.Topic),
		kgo.MaxBufferedRecords(w.cfg.MaxBuffered),
		kgo.ProducerBatchMaxBytes(w.cfg.MaxRecordBytes),
		kgo.ProducerLinger(w.cfg.Linger),
		// No RecordDeliveryTimeout: it counts from the record's timestamp, which
		// lies in the past for a recording.
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.SnappyCompression(), kgo.NoCompression()),
	}, w.more...)...)
	if err != nil {
		return err
	}
	if err := ensureTopics(ctx, kadm.NewClient(client), []string{w.cfg.Topic}, w.cfg.CreateTopics, w.logger); err != nil {
		client.Close()
		return err
	}
	w.client = client
	return nil
}

// stopping waits for what is under way; what is then still there fails.
func (w *Writer) stopping(error) error {
	defer w.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.DrainTimeout)
	defer cancel()
	return w.Flush(ctx)
}

// Write writes the messages and waits until the broker has all of them. The
// error joins those of all that failed.
func (w *Writer) Write(ctx context.Context, messages ...Message) error {
	records := make([]*kgo.Record, len(messages))
	for i := range messages {
		records[i] = messages[i].record()
	}
	var errs []error
	for _, result := range w.client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			errs = append(errs, result.Err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("write to topic %s: %w", w.cfg.Topic, errors.Join(errs...))
	}
	return nil
}

// Send writes a message in the background and calls done, if not nil, with the
// outcome, from another goroutine. It waits only while [WriterConfig.MaxBuffered]
// records are under way. Messages of the same key arrive in order.
func (w *Writer) Send(ctx context.Context, message Message, done func(error)) {
	w.client.Produce(ctx, message.record(), promise(done))
}

// TrySend is Send without any waiting: while the buffer is full, the message is
// not taken and done is called with [ErrFull].
func (w *Writer) TrySend(ctx context.Context, message Message, done func(error)) {
	w.client.TryProduce(ctx, message.record(), func(_ *kgo.Record, err error) {
		if errors.Is(err, kgo.ErrMaxBuffered) {
			err = ErrFull
		}
		if done != nil {
			done(err)
		}
	})
}

// Flush waits until everything sent has been delivered or has failed.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush topic %s: %w", w.cfg.Topic, err)
	}
	return nil
}

func promise(done func(error)) func(*kgo.Record, error) {
	if done == nil {
		return nil
	}
	return func(_ *kgo.Record, err error) { done(err) }
}

func (m *Message) record() *kgo.Record {
	r := &kgo.Record{Key: m.Key, Value: m.Value, Timestamp: m.Timestamp}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: []byte(h.Value)})
	}
	return r
}
