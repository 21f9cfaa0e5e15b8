package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Session consumes all partitions of the configured topics as the only member
// of its group. It is a dskit service:
//
//   - starting: checks the topics, waits until the group has no other member,
//     finds the offset to start from for every partition, joins, and makes sure
//     that all partitions are its own;
//   - running: polls and gives batches to the handler, until it is stopped or
//     the handler or the broker gives an error that it must not pass over;
//   - stopping: calls [Options.OnStop] while commits are still possible, leaves
//     the group and closes the connections.
type Session struct {
	services.Service

	cfg     Config
	handler Handler
	opts    Options
	logger  *slog.Logger
	metrics *sessionMetrics

	// client is the member of the group. plain, and admin on top of it, ask
	// the brokers about things without being one.
	client, plain *kgo.Client
	admin         *kadm.Client
	// cancel ends whatever the clients have under way.
	cancel context.CancelFunc

	// joined is closed at the first assignment; failed receives the first
	// error that a callback of the client found.
	joined   chan struct{}
	joinOnce sync.Once
	failed   chan error

	// mu guards what the client's callbacks share with the poll loop.
	mu       sync.Mutex
	leaving  bool
	position Offsets          // the next offset to hand out, of every partition
	owned    Offsets          // the partitions that are assigned; values unused
	ends     Offsets          // the high watermarks as last seen
	announce []topicPartition // partitions the handler has not been told of

	// The rest belongs to the poll loop alone.
	batch   Batch
	records []Record
	corrupt map[topicPartition]int // errors in a row at the same position
}

type topicPartition struct {
	topic     string
	partition int32
}

// Options are what a [Session] works with besides its configuration.
type Options struct {
	// Resume are the offsets to go on from, which win over committed ones. A
	// partition without one starts from its committed offset; without that
	// from its beginning if Resume knows its topic (it was added since), else
	// as [Config.Start] says. Nil is no offsets.
	Resume Offsets
	// Letters is told of batches that cannot be unpacked. Nil is nobody.
	Letters Letters
	// OnStop is called when the last batch has been consumed and before the
	// group is left: the place to write a snapshot and to Commit. It is given
	// the error that ended the session, nil when it was stopped. Nil does
	// nothing.
	OnStop func(failure error) error
	// Logger is where the session logs; nil discards.
	Logger *slog.Logger
	// Registerer registers the metrics; nil does not.
	Registerer prometheus.Registerer
}

// Letters takes notes about records that could not be used. [DeadLetter]
// implements it.
type Letters interface {
	// Put must not block.
	Put(letter Letter)
}

// NewSession returns a session that is not started. The configuration must be
// valid.
func NewSession(cfg Config, handler Handler, opts Options) *Session {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, handler: handler, opts: opts, logger: opts.Logger,
		metrics: newSessionMetrics(opts.Registerer),
		joined:  make(chan struct{}), failed: make(chan error, 1),
		position: Offsets{}, owned: Offsets{}, ends: Offsets{},
		corrupt: map[topicPartition]int{},
	}
	s.Service = services.NewBasicService(s.starting, s.running, s.stopping).WithName("kafka session")
	return s
}

func (s *Session) starting(ctx context.Context) (err error) {
	// The clients outlive the context of this service, to leave in order.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if s.plain, err = NewClient(&s.cfg.Client, s.logger, kgo.WithContext(life)); err != nil {
		cancel()
		return err
	}
	s.admin = kadm.NewClient(s.plain)
	if err := s.join(ctx, life); err != nil {
		s.leave()
		return err
	}
	return nil
}

// join does what starting is for, and leaves the cleaning up to its caller.
func (s *Session) join(ctx, life context.Context) (err error) {
	if err := ensureTopics(ctx, s.admin, s.cfg.Topics, s.cfg.CreateTopics, s.logger); err != nil {
		return err
	}
	if err := s.awaitGroup(ctx); err != nil {
		return err
	}
	if err := s.resolveStart(ctx); err != nil {
		return err
	}
	if s.client, err = NewClient(&s.cfg.Client, s.logger, append(s.consumerOptions(), kgo.WithContext(life))...); err != nil {
		return err
	}
	return s.awaitAssignment(ctx)
}

func (s *Session) consumerOptions() []kgo.Opt {
	return append(
		fetchOptions(&s.cfg),
		kgo.ConsumerGroup(s.cfg.Group),
		kgo.ConsumeTopics(s.cfg.Topics...),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.AdjustFetchOffsetsFn(s.adjustOffsets),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(s.cfg.SessionTimeout),
		kgo.HeartbeatInterval(s.cfg.SessionTimeout/4),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
		kgo.WithHooks(groupErrorHook{s}))
}

func (s *Session) running(ctx context.Context) error {
	for ctx.Err() == nil {
		poll, cancel := context.WithTimeout(ctx, s.cfg.PollInterval)
		fetches := s.client.PollRecords(poll, s.cfg.PollRecords)
		cancel()
		select {
		case err := <-s.failed:
			return err
		default:
		}
		if err := s.collect(ctx, fetches); err != nil {
			return err
		}
		// The handler finishes what is in hand, also while stopping.
		if err := s.handler.Consume(context.WithoutCancel(ctx), &s.batch); err != nil {
			return fmt.Errorf("consume batch: %w", err)
		}
	}
	return nil
}

func (s *Session) stopping(failure error) error {
	defer s.leave()
	if s.opts.OnStop == nil {
		return nil
	}
	return s.opts.OnStop(failure)
}

// leave leaves the group, so that a successor need not wait, and disconnects.
func (s *Session) leave() {
	s.mu.Lock()
	s.leaving = true
	s.mu.Unlock()
	// Leaving asks the broker; one that answers nothing must not hold up the
	// stop. It notices the absence by the session timeout then.
	giveUp := time.AfterFunc(leaveTimeout, s.cancel)
	defer giveUp.Stop()
	if s.client != nil {
		s.client.CloseAllowingRebalance()
	}
	s.plain.Close()
	s.cancel()
}

// leaveTimeout bounds how long leaving the group may take.
const leaveTimeout = 2 * time.Second

// Commit publishes offsets in the group for people and tools to look at. The
// application calls it when its snapshot is on disk. It is valid while the
// session runs and within [Options.OnStop].
func (s *Session) Commit(ctx context.Context, offsets Offsets) error {
	request := make(map[string]map[int32]kgo.EpochOffset, len(offsets))
	for topic, partitions := range offsets {
		request[topic] = make(map[int32]kgo.EpochOffset, len(partitions))
		for partition, next := range partitions {
			request[topic][partition] = kgo.EpochOffset{Epoch: -1, Offset: next}
		}
	}
	if err := commitSync(ctx, s.client, request); err != nil {
		s.metrics.commitFailures.Inc()
		return fmt.Errorf("commit offsets of group %s: %w", s.cfg.Group, err)
	}
	return nil
}

// collect turns what was polled into the batch, in the order of topics and
// partitions, and sees to the errors among it.
func (s *Session) collect(ctx context.Context, fetches kgo.Fetches) error {
	s.batch.Partitions, s.records = s.batch.Partitions[:0], s.records[:0]
	s.announced()
	var errs []error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		s.add(p.Topic, &p.FetchPartition)
		if p.Err != nil {
			errs = append(errs, s.pollError(ctx, p.Topic, p.Partition, p.Err))
		}
	})
	s.batch.sort()
	return errors.Join(errs...)
}

// add appends the records of a partition that have not been handed out.
func (s *Session) add(topic string, p *kgo.FetchPartition) {
	if len(p.Records) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, ok := s.position.Get(topic, p.Partition)
	if !ok {
		return // not ours, and never was
	}
	first := len(s.records)
	var bytes int
	for _, r := range p.Records {
		if r.Offset < next {
			continue // fetched twice around a rebalance
		}
		next = r.Offset + 1
		if r.Attrs.IsControl() {
			continue
		}
		bytes += len(r.Value)
		s.records = append(s.records, recordOf(r))
	}
	s.position.Set(topic, p.Partition, next)
	s.ends.Set(topic, p.Partition, p.HighWatermark)
	delete(s.corrupt, topicPartition{topic, p.Partition})
	s.batch.Partitions = append(s.batch.Partitions, Partition{
		Topic: topic, ID: p.Partition, Records: s.records[first:len(s.records):len(s.records)],
		Next: next, HighWatermark: p.HighWatermark,
	})
	s.metrics.batch(&s.batch.Partitions[len(s.batch.Partitions)-1], bytes)
}

// announced adds the partitions that are new to the handler, without records.
func (s *Session) announced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tp := range s.announce {
		next, _ := s.position.Get(tp.topic, tp.partition)
		end, _ := s.ends.Get(tp.topic, tp.partition)
		s.batch.Partitions = append(s.batch.Partitions, Partition{
			Topic: tp.topic, ID: tp.partition, Next: next, HighWatermark: end,
		})
		s.metrics.batch(&s.batch.Partitions[len(s.batch.Partitions)-1], 0)
	}
	s.announce = s.announce[:0]
}

// fail makes the poll loop end with the error. The first one counts.
func (s *Session) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// assignmentTimeout bounds how long joining the group may take: a join may
// wait for a rebalance of a member that just died.
func (s *Session) assignmentTimeout() time.Duration { return 2*s.cfg.SessionTimeout + 30*time.Second }
