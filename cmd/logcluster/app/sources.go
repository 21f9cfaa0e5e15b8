package app

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// partition names a partition of Kafka; its place in [savedState.Sources] is
// the number that the windows know it under.
type partition struct {
	Topic string
	ID    int32
}

func (p partition) compare(with partition) int {
	return cmp.Or(cmp.Compare(p.Topic, with.Topic), cmp.Compare(p.ID, with.ID))
}

// sources keeps which partitions there are, how far each has been read, and
// which of them hold the watermark up. The lag is Kafka's; how long something
// lasts is told by the wall clock.
type sources struct {
	cfg         *SourcesConfig
	windows     sourceKeeper
	list        []source
	byPartition map[partition]int
	// fetching stops and starts the fetching of a partition.
	fetching fetching
}

// sourceKeeper is who is told of sources: the windows.
type sourceKeeper interface {
	AddSource(id int, name string)
	MarkSource(id int, state cluster.SourceState)
}

// fetching is what the session offers to slow a partition down.
type fetching interface {
	Pause(topic string, partition int32)
	Resume(topic string, partition int32)
}

type source struct {
	partition
	next     int64
	lag      int64
	movedAt  time.Time // when its offset last advanced
	newest   int64     // the highest event time accepted from it
	paused   bool      // not fetched, because it is ahead of the others
	state    cluster.SourceState
	assigned bool
}

func newSources(cfg *SourcesConfig, windows sourceKeeper) *sources {
	return &sources{cfg: cfg, windows: windows, byPartition: make(map[partition]int)}
}

// id returns the number of a partition, adding it when it is new. The tenant of
// its events is its topic.
func (s *sources) id(p partition) int {
	if id, ok := s.byPartition[p]; ok {
		return id
	}
	id := len(s.list)
	s.byPartition[p] = id
	s.list = append(s.list, source{partition: p, state: cluster.SourceActive})
	s.windows.AddSource(id, fmt.Sprintf("%s/%d", p.Topic, p.ID))
	return id
}

// place tells where the records of a source are: it is the [alert.Places] of the
// service.
func (s *sources) place(id int) (topic string, partition int32, ok bool) {
	if id < 0 || id >= len(s.list) {
		return "", 0, false
	}
	return s.list[id].Topic, s.list[id].ID, true
}

// moved notes how far a partition has been read.
func (s *sources) moved(id int, p *kafka.Partition, now time.Time) {
	src := &s.list[id]
	if !src.assigned || p.Next != src.next {
		src.movedAt = now
	}
	src.assigned = true
	src.next, src.lag = p.Next, p.Lag()
	if len(p.Records) > 0 {
		// The windows wake it up themselves, at its first event.
		src.state = cluster.SourceActive
	}
}

// tick marks what has become idle or stalled. A partition is idle only without
// lag, never by a timer alone.
func (s *sources) tick(now time.Time) {
	for id := range s.list {
		src := &s.list[id]
		if !src.assigned || src.paused {
			continue
		}
		still := now.Sub(src.movedAt)
		switch {
		case src.lag == 0 && still >= s.cfg.IdleAfter:
			s.mark(id, cluster.SourceIdle)
		case src.lag > 0 && still >= s.cfg.StallAfter:
			s.mark(id, cluster.SourceStalled)
		}
	}
}

// balance stops fetching what has run ahead of the slowest source by more than
// MaxSkew, until it is ahead by half of that. A source that has something to
// give and gave nothing yet is the slowest.
func (s *sources) balance(now time.Time) {
	slowest := int64(math.MaxInt64)
	for i := range s.list {
		src := &s.list[i]
		waitedFor := src.assigned && src.state == cluster.SourceActive
		if waitedFor && (src.newest > 0 || src.lag > 0) {
			slowest = min(slowest, src.newest)
		}
	}
	for i := range s.list {
		src := &s.list[i]
		if src.newest == 0 {
			continue
		}
		ahead := time.Duration(src.newest - slowest)
		switch {
		case !src.paused && ahead > s.cfg.MaxSkew:
			s.fetching.Pause(src.Topic, src.ID)
			src.paused = true
		case src.paused && ahead <= s.cfg.MaxSkew/2:
			s.fetching.Resume(src.Topic, src.ID)
			src.paused, src.movedAt = false, now
		}
	}
}

func (s *sources) mark(id int, state cluster.SourceState) {
	if s.list[id].state != state {
		s.list[id].state = state
		s.windows.MarkSource(id, state)
	}
}

// lag returns the records that wait in all partitions, -1 before the first
// assignment.
func (s *sources) lag() int64 {
	total := int64(-1)
	for i := range s.list {
		if s.list[i].assigned {
			total = max(total, 0) + s.list[i].lag
		}
	}
	return total
}

// offsets returns the next offset of every partition that was read.
func (s *sources) offsets() kafka.Offsets {
	out := kafka.Offsets{}
	for i := range s.list {
		out.Set(s.list[i].Topic, s.list[i].ID, s.list[i].next)
	}
	return out
}

// saved returns the partitions in the order of their numbers.
func (s *sources) saved() []partition {
	out := make([]partition, len(s.list))
	for i := range s.list {
		out[i] = s.list[i].partition
	}
	return out
}

// restore numbers the partitions as they were. Until a partition of the topics
// is assigned again it holds the watermark up; one of any other topic keeps its
// offset and its number, for the day when the topic is read again.
func (s *sources) restore(list []partition, offsets kafka.Offsets, topics []string) {
	for _, p := range list {
		id := s.id(p)
		s.list[id].next, _ = offsets.Get(p.Topic, p.ID)
		state := cluster.SourceActive
		if !slices.Contains(topics, p.Topic) {
			state = cluster.SourceIdle
		}
		s.list[id].state = state
		s.windows.MarkSource(id, state)
	}
}
