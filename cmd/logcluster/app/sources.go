package app

import (
	"fmt"
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

// sources keeps which partitions there are, how far each has been read, and
// which of them hold the watermark up. The lag is Kafka's; how long something
// lasts is told by the wall clock.
type sources struct {
	idleAfter, stallAfter time.Duration
	windows               *cluster.Windows
	list                  []source
	byPartition           map[partition]int
}

type source struct {
	partition
	next     int64
	lag      int64
	movedAt  time.Time // when its offset last advanced
	state    cluster.SourceState
	assigned bool
}

func newSources(cfg *StateConfig, windows *cluster.Windows) *sources {
	return &sources{
		idleAfter: cfg.IdleAfter, stallAfter: cfg.StallAfter,
		windows: windows, byPartition: make(map[partition]int),
	}
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
		if !src.assigned {
			continue
		}
		still := now.Sub(src.movedAt)
		switch {
		case src.lag == 0 && still >= s.idleAfter:
			s.mark(id, cluster.SourceIdle)
		case src.lag > 0 && still >= s.stallAfter:
			s.mark(id, cluster.SourceStalled)
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

// restore numbers the partitions as they were. Until a partition is assigned
// again it holds the watermark up.
func (s *sources) restore(list []partition, offsets kafka.Offsets) {
	for _, p := range list {
		id := s.id(p)
		s.list[id].next, _ = offsets.Get(p.Topic, p.ID)
		s.windows.MarkSource(id, cluster.SourceActive)
	}
}
