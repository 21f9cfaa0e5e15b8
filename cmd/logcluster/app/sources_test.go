package app

import (
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// valve records what is paused.
type valve struct{ paused []int32 }

func (v *valve) Pause(_ string, p int32) { v.paused = append(v.paused, p) }
func (v *valve) Resume(_ string, p int32) {
	v.paused = slices.DeleteFunc(v.paused, func(q int32) bool { return q == p })
}

func testSources(partitions int32) (*sources, *valve) {
	cfg := DefaultConfig().Sources
	s, v := newSources(&cfg, cluster.New(cluster.DefaultConfig())), &valve{}
	s.fetching = v
	for p := range partitions {
		id := s.id(partition{testTopic, p})
		s.moved(id, &kafka.Partition{Topic: testTopic, ID: p, Next: 0, HighWatermark: 100}, time.Unix(0, 0))
	}
	return s, v
}

func TestPartitionAheadIsPausedUntilTheOthersCome(t *testing.T) {
	s, v := testSources(3)
	hour := int64(time.Hour)
	for _, step := range []struct {
		newest [3]int64
		want   []int32
	}{
		{[3]int64{hour, hour, hour}, nil},
		{[3]int64{hour, 2*hour + 1, hour}, []int32{1}},
		{[3]int64{hour + hour/4, 2*hour + 1, hour}, []int32{1}},
		{[3]int64{2 * hour, 2*hour + 1, 2 * hour}, nil},
		{[3]int64{2 * hour, 2*hour + 1, 0}, []int32{0, 1}}, // nothing came yet
	} {
		for i := range s.list {
			s.list[i].newest = step.newest[i]
		}
		s.balance(time.Unix(0, 0))
		if !slices.Equal(v.paused, step.want) {
			t.Errorf("with newest %v paused %v, want %v", step.newest, v.paused, step.want)
		}
	}
}

func TestIdleNeedsNoLagAndAWait(t *testing.T) {
	s, _ := testSources(2)
	begin := time.Unix(0, 0)
	s.moved(0, &kafka.Partition{Topic: testTopic, ID: 0, Next: 100, HighWatermark: 100}, begin)
	for _, step := range []struct {
		after time.Duration
		want  [2]cluster.SourceState
	}{
		{0, [2]cluster.SourceState{}},
		{9 * time.Second, [2]cluster.SourceState{}},
		{10 * time.Second, [2]cluster.SourceState{cluster.SourceIdle}}, // the other one has lag
		{59 * time.Second, [2]cluster.SourceState{cluster.SourceIdle}},
		{60 * time.Second, [2]cluster.SourceState{cluster.SourceIdle, cluster.SourceStalled}},
	} {
		s.tick(begin.Add(step.after))
		got := [2]cluster.SourceState{s.list[0].state, s.list[1].state}
		if got != step.want {
			t.Errorf("after %s states %v, want %v", step.after, got, step.want)
		}
	}
	if s.lag() != 100 {
		t.Errorf("lag %d, want 100", s.lag())
	}
}

// A topic that is not read any more must not hold up the others: its partitions
// never come again.
func TestRestoredPartitionOfAnotherTopicHoldsNobodyUp(t *testing.T) {
	const gone = "gone"
	cfg := testConfig(t, []string{"127.0.0.1:1"}, "")
	before := engine.New(cfg.engine(), fingerprint.Always(nil), engine.Observer{})
	old := newSources(&cfg.Sources, before.Windows())
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for i, topic := range []string{testTopic, gone} {
		id := old.id(partition{topic, 0})
		old.moved(id, &kafka.Partition{Topic: topic, Next: int64(i) + 1, HighWatermark: 10}, time.Unix(0, 0))
		addEvent(before, id, begin)
	}
	state, offsets := before.Snapshot(), old.offsets()

	after := engine.New(cfg.engine(), fingerprint.Always(nil), engine.Observer{})
	if err := after.Restore(&state); err != nil {
		t.Fatal(err)
	}
	s := newSources(&cfg.Sources, after.Windows())
	s.restore(old.saved(), offsets, []string{testTopic})
	hour := int64(time.Hour)
	addEvent(after, s.byPartition[partition{testTopic, 0}], begin+hour)
	after.Advance()
	if got := after.Windows().Stats().Watermark; got < begin+hour-int64(time.Minute) {
		t.Errorf("watermark %s, held up by a topic that is gone", time.Unix(0, got).UTC())
	}
	if next, ok := s.offsets().Get(gone, 0); !ok || next != 2 {
		t.Errorf("offset of the topic that is gone: %d, %v, want it kept", next, ok)
	}
}

func addEvent(e *engine.Engine, source int, at int64) {
	fp := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	ev := fingerprint.Event{Time: at, Tenant: "t", User: "u", Verb: "get"}
	e.Windows().Add(&ev, fp.Of(&ev), cluster.Origin{Source: source, RecordTime: at})
}
