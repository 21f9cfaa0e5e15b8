package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/grafana/dskit/services"
	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// DeadLetterConfig configures a [DeadLetter].
type DeadLetterConfig struct {
	// Client says how to reach the brokers. It is not configured here: the
	// application gives everything the same.
	Client ClientConfig `yaml:"-"`
	// Topic is where the letters go.
	Topic string `yaml:"topic"`
	// CreateTopics makes the topic with the broker's defaults when it is
	// missing instead of refusing to start.
	CreateTopics bool `yaml:"create_topics"`
	// Queue is the number of letters that may wait to be sent.
	Queue int `yaml:"queue"`
	// Rate is the number of letters a second that are written one by one, and
	// Burst how many at once. What is more is counted and summed up in one
	// letter for each partition and reason.
	Rate  float64 `yaml:"rate"`
	Burst int     `yaml:"burst"`
	// SummaryInterval is how often those sums are written.
	SummaryInterval time.Duration `yaml:"summary_interval"`
	// DrainTimeout bounds how long stopping waits for the last letters.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultDeadLetterConfig returns the defaults, without brokers.
func DefaultDeadLetterConfig() DeadLetterConfig {
	return DeadLetterConfig{
		Client: DefaultClientConfig(), Topic: "logcluster.dlq", CreateTopics: true,
		Queue: 1000, Rate: 20, Burst: 200, SummaryInterval: 10 * time.Second, DrainTimeout: 3 * time.Second,
	}
}

// Validate returns all problems of the configuration, joined. It does no I/O.
func (c *DeadLetterConfig) Validate() error {
	errs := []error{
		c.Client.Validate(),
		within("queue", c.Queue, 1, 1_000_000),
		within("burst", c.Burst, 1, 1_000_000),
		within("summary_interval", c.SummaryInterval, 10*time.Millisecond, time.Hour),
		within("drain_timeout", c.DrainTimeout, time.Second, time.Minute),
	}
	if c.Topic == "" {
		errs = append(errs, errors.New("topic: empty"))
	}
	if !(c.Rate > 0 && c.Rate <= 1e6) {
		errs = append(errs, fmt.Errorf("rate: %v is not within 0 and 1000000", c.Rate))
	}
	return errors.Join(errs...)
}

// Letter is a note about records that could not be used. It never has their
// contents.
type Letter struct {
	// Reason is the bounded cause.
	Reason string
	// Topic and Partition are where the records are.
	Topic     string
	Partition int32
	// Offset and LastOffset are the first and the last record meant.
	Offset, LastOffset int64
	// Count is the number of records or events meant; zero is one.
	Count int64
	// Time is when it was found.
	Time time.Time
	// Detail says more, for a person. It is cut and cleaned.
	Detail string
}

// maxDetail is the length in bytes to which the detail of a letter is cut.
const maxDetail = 300

// letterRecord is a letter as it is written. Fields are only ever added.
type letterRecord struct {
	SchemaVersion int    `json:"schema_version"`
	Reason        string `json:"reason"`
	Topic         string `json:"topic"`
	Partition     int32  `json:"partition"`
	Offset        int64  `json:"offset"`
	LastOffset    int64  `json:"last_offset"`
	Count         int64  `json:"count"`
	Summary       bool   `json:"summary"`
	Time          string `json:"time"`
	Detail        string `json:"detail,omitempty"`
}

// DeadLetter writes letters to a topic without ever holding up who puts them:
// they wait in a bounded queue, are written at a limited rate, and what is too
// much is counted and summed up with its range of offsets. It is a dskit
// service; letters put before it runs wait.
type DeadLetter struct {
	services.Service

	cfg     DeadLetterConfig
	logger  *slog.Logger
	metrics *deadLetterMetrics
	writer  *Writer
	wake    chan struct{}

	mu       sync.Mutex
	queue    []Letter
	excess   map[excessKey]*Letter
	bucket   float64
	refilled time.Time
}

type excessKey struct {
	topicPartition
	reason string
}

type deadLetterMetrics struct {
	letters *prometheus.CounterVec

	queued prometheus.Gauge
}

// The outcomes of a letter, values of a metric's label.
const (
	letterWritten = "written"
	letterSummed  = "summed"
	letterFailed  = "failed"
)

func newDeadLetterMetrics(reg prometheus.Registerer) *deadLetterMetrics {
	f := promauto.With(reg)
	m := &deadLetterMetrics{
		letters: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_dead_letters_total",
			Help: "Letters about records that could not be used, by outcome: written one by one, summed up with others, or failed.",
		}, []string{"outcome"}),
		queued: f.NewGauge(prometheus.GaugeOpts{
			Name: "logcluster_dead_letter_queue_length",
			Help: "Letters that wait to be written.",
		}),
	}
	for _, outcome := range []string{letterWritten, letterSummed, letterFailed} {
		m.letters.WithLabelValues(outcome)
	}
	return m
}

// NewDeadLetter returns a dead letter office that is not started. The
// configuration must be valid; a nil logger discards and a nil registerer does
// not register.
func NewDeadLetter(cfg DeadLetterConfig, logger *slog.Logger, reg prometheus.Registerer) *DeadLetter {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	writer := DefaultWriterConfig()
	writer.Client, writer.Topic, writer.CreateTopics = cfg.Client, cfg.Topic, cfg.CreateTopics
	writer.MaxBuffered, writer.DrainTimeout = cfg.Queue, cfg.DrainTimeout/2 // the other half is for making room, see stopping
	d := &DeadLetter{
		cfg: cfg, logger: logger, metrics: newDeadLetterMetrics(reg),
		writer: NewWriter(writer, logger), wake: make(chan struct{}, 1),
		excess: map[excessKey]*Letter{}, bucket: float64(cfg.Burst),
	}
	d.Service = services.NewBasicService(d.starting, d.running, d.stopping).WithName("dead letter")
	return d
}

// Put takes a letter. It never blocks and may be called at any time, from any
// goroutine.
func (d *DeadLetter) Put(letter Letter) {
	if letter.Count == 0 {
		letter.Count = 1
	}
	letter.LastOffset = max(letter.LastOffset, letter.Offset)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) >= d.cfg.Queue || !d.allow(time.Now()) {
		d.metrics.letters.WithLabelValues(letterSummed).Inc()
		d.sumUp(&letter)
		return
	}
	d.queue = append(d.queue, letter)
	d.metrics.queued.Set(float64(len(d.queue)))
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// allow takes a token of the bucket that limits the rate.
func (d *DeadLetter) allow(now time.Time) bool {
	if !d.refilled.IsZero() {
		d.bucket = min(float64(d.cfg.Burst), d.bucket+now.Sub(d.refilled).Seconds()*d.cfg.Rate)
	}
	d.refilled = now
	if d.bucket < 1 {
		return false
	}
	d.bucket--
	return true
}

// sumUp adds a letter to the sum of its partition and reason. There are as many
// sums as partitions times reasons, so they need no limit.
func (d *DeadLetter) sumUp(letter *Letter) {
	key := excessKey{topicPartition{letter.Topic, letter.Partition}, letter.Reason}
	sum := d.excess[key]
	if sum == nil {
		first := *letter
		first.Detail = ""
		d.excess[key] = &first
		return
	}
	sum.Count += letter.Count
	sum.Offset = min(sum.Offset, letter.Offset)
	sum.LastOffset = max(sum.LastOffset, letter.LastOffset)
	sum.Time = letter.Time
}

func (d *DeadLetter) starting(ctx context.Context) error {
	// The writer outlives the context of this service, for the last letters.
	if err := d.writer.StartAsync(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start dead letters: %w", err)
	}
	if err := d.writer.AwaitRunning(ctx); err != nil {
		d.writer.StopAsync()
		// What dskit says of the writer's state is not what went wrong.
		return fmt.Errorf("start dead letters: %w", cmp.Or(d.writer.FailureCase(), err))
	}
	return nil
}

func (d *DeadLetter) running(ctx context.Context) error {
	summaries := time.NewTicker(d.cfg.SummaryInterval)
	defer summaries.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
			d.sendQueued()
		case <-summaries.C:
			d.sendQueued()
			d.sendSums()
		}
	}
}

// stopping sends what is left. The sums come last and need room in the buffer.
// What could not be sent is counted as failed.
func (d *DeadLetter) stopping(error) error {
	d.sendQueued()
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.DrainTimeout/2)
	defer cancel()
	_ = d.writer.Flush(ctx) // the writer tells when it stops
	d.sendSums()
	err := services.StopAndAwaitTerminated(context.Background(), d.writer)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.metrics.letters.WithLabelValues(letterFailed).Add(float64(len(d.excess)))
	clear(d.excess)
	return err
}

func (d *DeadLetter) sendQueued() {
	d.mu.Lock()
	letters := d.queue
	d.queue = nil
	d.metrics.queued.Set(0)
	d.mu.Unlock()
	for i := range letters {
		d.send(&letters[i], false)
	}
}

func (d *DeadLetter) sendSums() {
	d.mu.Lock()
	sums := d.excess
	d.excess = make(map[excessKey]*Letter)
	d.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(sums), func(x, y excessKey) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.partition, y.partition), cmp.Compare(x.reason, y.reason))
	})
	for _, key := range keys {
		d.send(sums[key], true)
	}
}

// send writes a letter in the background. One that the buffer has no room for
// joins the sums.
func (d *DeadLetter) send(letter *Letter, summary bool) {
	message, err := letter.message(summary)
	if err != nil {
		d.metrics.letters.WithLabelValues(letterFailed).Inc()
		d.logger.Error("encode dead letter", "err", err)
		return
	}
	d.writer.TrySend(context.Background(), message, func(err error) {
		switch {
		case err == nil:
			d.metrics.letters.WithLabelValues(letterWritten).Inc()
		case errors.Is(err, ErrFull):
			if !summary {
				d.metrics.letters.WithLabelValues(letterSummed).Inc()
			}
			d.mu.Lock()
			d.sumUp(letter)
			d.mu.Unlock()
		default:
			d.metrics.letters.WithLabelValues(letterFailed).Inc()
			d.logger.Warn("write dead letter", "topic", letter.Topic, "partition", letter.Partition,
				"offset", letter.Offset, "reason", letter.Reason, "err", err)
		}
	})
}

// message encodes the letter. Its key is the partition meant, so that the
// letters about one partition stay in order.
func (l *Letter) message(summary bool) (Message, error) {
	value, err := jsoniter.ConfigCompatibleWithStandardLibrary.Marshal(letterRecord{
		SchemaVersion: 1, Reason: l.Reason, Topic: l.Topic, Partition: l.Partition,
		Offset: l.Offset, LastOffset: l.LastOffset, Count: l.Count, Summary: summary,
		Time: l.Time.UTC().Format(time.RFC3339Nano), Detail: cleanDetail(l.Detail),
	})
	if err != nil {
		return Message{}, err
	}
	partition, offset := strconv.Itoa(int(l.Partition)), strconv.FormatInt(l.Offset, 10)
	return Message{
		Key: []byte(l.Topic + "/" + partition), Value: value, Timestamp: l.Time,
		Headers: []Header{
			{"logcluster-reason", l.Reason},
			{"logcluster-topic", l.Topic},
			{"logcluster-partition", partition},
			{"logcluster-offset", offset},
		},
	}, nil
}

// cleanDetail replaces what is not printable and cuts.
func cleanDetail(detail string) string {
	detail = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, detail)
	if len(detail) <= maxDetail {
		return detail
	}
	end := maxDetail
	for end > 0 && !utf8.RuneStart(detail[end]) {
		end--
	}
	return detail[:end] + "…"
}
