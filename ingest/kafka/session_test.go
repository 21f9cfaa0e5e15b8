package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestConsumesAllPartitionsInOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(3, "audit"), kfake.SeedTopics(1, "other"))
	p := newProducer(t, c)
	for i := range 30 {
		produce(t, p, "audit", int32(i%3), fmt.Sprint("a", i))
	}
	produce(t, p, "other", 0, "o", "<null>")
	h := newCollector()
	reg := prometheus.NewRegistry()
	s := NewSession(sessionConfig(c, "audit", "other"), h, Options{Registerer: reg})
	start(t, s)
	h.untilRecords(t, 32)

	next := map[string]int{}
	for _, r := range h.records {
		name, rest, _ := strings.Cut(r, "@")
		offset, _, _ := strings.Cut(rest, "=")
		if offset != fmt.Sprint(next[name]) {
			t.Errorf("%s after offset %d", r, next[name]-1)
		}
		next[name]++
	}
	for name, p := range h.seen {
		if int64(next[name]) != p.Next || p.Lag() != 0 {
			t.Errorf("%s: consumed %d, next %d, lag %d", name, next[name], p.Next, p.Lag())
		}
	}
	if n, err := testutil.GatherAndCount(reg, "logcluster_ingest_lag_records"); n != 4 || err != nil {
		t.Errorf("%d series of lag, error %v", n, err)
	}
	if n := testutil.ToFloat64(s.metrics.records.WithLabelValues("audit")); n != 30 {
		t.Errorf("%v records counted", n)
	}
}

// The handler knows every partition from the first batch on, records or not.
func TestFirstBatchNamesEmptyPartitions(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(4, "audit"))
	h := newCollector()
	start(t, NewSession(sessionConfig(c, "audit"), h, Options{}))
	h.until(t, "4 partitions", func(h *collector) bool { return len(h.seen) == 4 })
	if p := h.seen["audit/3"]; p.Next != 0 || p.Lag() != 0 {
		t.Errorf("%+v", p)
	}
}

func TestWhereAPartitionStarts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		start     string
		committed bool
		resume    Offsets
		want      string
	}{
		{"earliest", StartEarliest, false, nil, "0 0"},
		{"latest", StartLatest, false, nil, "5 5"},
		{"committed", StartLatest, true, nil, "3 5"},
		{"snapshot wins", StartEarliest, true, Offsets{"audit": {0: 1, 1: 2}}, "1 2"},
		{"partition newer than the snapshot", StartLatest, true, Offsets{"audit": {0: 4}}, "4 0"},
		{"snapshot at the end", StartEarliest, false, Offsets{"audit": {0: 5, 1: 5}}, "5 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(2, "audit"))
			p := newProducer(t, c)
			for partition := range int32(2) {
				produce(t, p, "audit", partition, "0", "1", "2", "3", "4")
			}
			cfg := sessionConfig(c, "audit")
			cfg.Start = test.start
			if test.committed {
				commit := kadm.Offsets{}
				commit.AddOffset("audit", 0, 3, -1)
				if err := kadm.NewClient(p).CommitAllOffsets(t.Context(), cfg.Group, commit); err != nil {
					t.Fatal(err)
				}
			}
			h := newCollector()
			start(t, NewSession(cfg, h, Options{Resume: test.resume}))
			produce(t, p, "audit", 0, "5")
			produce(t, p, "audit", 1, "5")
			var first [2]int64
			h.until(t, "the newest records", func(h *collector) bool {
				return h.seen["audit/0"].Next == 6 && h.seen["audit/1"].Next == 6
			})
			for i := range first {
				prefix := fmt.Sprintf("audit/%d@", i)
				at := slices.IndexFunc(h.records, func(r string) bool { return strings.HasPrefix(r, prefix) })
				_, _ = fmt.Sscanf(strings.TrimPrefix(h.records[at], prefix), "%d", &first[i])
			}
			if got := fmt.Sprint(first[0], " ", first[1]); got != test.want {
				t.Errorf("started at %s, want %s", got, test.want)
			}
		})
	}
}

func TestStartOutsideOfThePartitionIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		resume Offsets
		want   []string
	}{
		"removed by retention": {Offsets{"audit": {0: 1}}, []string{"partition 0", "offset 1 of the snapshot", "(2 to 3)", "retention"}},
		"beyond the end":       {Offsets{"audit": {0: 99}}, []string{"offset 99 of the snapshot", "made anew"}},
		"partition is gone":    {Offsets{"audit": {0: 2, 7: 0}}, []string{"partition 7", "made anew"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, "audit"))
			produce(t, newProducer(t, c), "audit", 0, "0", "1", "2")
			if err := c.DeleteRecords("audit", 0, 2); err != nil {
				t.Fatal(err)
			}
			s := NewSession(sessionConfig(c, "audit"), newCollector(), Options{Resume: test.resume})
			wantContains(t, failure(t, s), test.want...)
		})
	}
}

func TestRetentionOvertakesARunningSession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "0")
	h := newCollector()
	s := NewSession(sessionConfig(c, "audit"), h, Options{})
	start(t, s)
	h.untilRecords(t, 1)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "audit", Err: kerr.OffsetOutOfRange, Count: -1})
	defer fault.Remove()
	wantContains(t, failure(t, s), "topic audit partition 0 at offset 1", "OFFSET_OUT_OF_RANGE")
}

// A cluster that never had a consumer group has no coordinator when it is first
// asked for one: real Kafka makes the topic for groups then.
func TestFirstGroupOfACluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "0")
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Group: "logcluster", Err: kerr.CoordinatorNotAvailable, Count: 3})
	defer fault.Remove()
	h := newCollector()
	s := NewSession(sessionConfig(c, "audit"), h, Options{})
	start(t, s)
	h.untilRecords(t, 1)
	if fault.Hits() == 0 {
		t.Error("nobody asked for the group: this proves nothing")
	}
}

func TestTopicDeletedWhileConsuming(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "0")
	h := newCollector()
	s := NewSession(sessionConfig(c, "audit"), h, Options{})
	start(t, s)
	h.untilRecords(t, 1)
	if err := errors.Join(c.DeleteTopic("audit"), c.CreateTopic("audit", 1, nil)); err != nil {
		t.Fatal(err)
	}
	wantContains(t, failure(t, s), "topic audit partition 0", "UNKNOWN_TOPIC")
}

func TestMissingTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := sessionConfig(c, "audit")
	wantContains(t, failure(t, NewSession(cfg, newCollector(), Options{})), "[audit]", "do not exist", "create_topics")
	cfg.CreateTopics = true
	start(t, NewSession(cfg, newCollector(), Options{}))
}

func TestSecondInstanceIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	h := newCollector()
	first := NewSession(sessionConfig(c, "audit"), h, Options{})
	start(t, first)
	second := NewSession(sessionConfig(c, "audit"), newCollector(), Options{})
	wantContains(t, failure(t, second), "another living member", `client "logcluster"`)
	if !errors.Is(second.FailureCase(), ErrGroupTaken) {
		t.Errorf("error %v", second.FailureCase())
	}
	produce(t, newProducer(t, c), "audit", 0, "still consumed")
	h.untilRecords(t, 1)
}

// Somebody who joins later must not silently take half of the partitions.
func TestForeignMemberEndsTheSession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(4, "audit"))
	s := NewSession(sessionConfig(c, "audit"), newCollector(), Options{})
	start(t, s)
	newProducer(t, c, kgo.ConsumerGroup("logcluster"), kgo.ConsumeTopics("audit"),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(100*time.Millisecond))
	wantContains(t, failure(t, s), "another living member")
}

// A member that was killed looks alive until its session has timed out.
func TestRestartAfterACrashWaitsForTheDeadMember(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "x")
	joinAndDie(t, p, "logcluster", "audit", 1500*time.Millisecond)
	h := newCollector()
	cfg := sessionConfig(c, "audit")
	cfg.SessionTimeout = 1500 * time.Millisecond
	var log strings.Builder
	start(t, NewSession(cfg, h, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	h.untilRecords(t, 1)
	wantContains(t, log.String(), "waiting for the previous member of the group to expire")
}

// joinAndDie makes a member that never gives another sign of life.
func joinAndDie(t *testing.T, client *kgo.Client, group, topic string, timeout time.Duration) {
	t.Helper()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType = group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = int32(timeout.Milliseconds()), 1000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "cooperative-sticky"
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Topics = []string{topic}
	protocol.Metadata = metadata.AppendTo(nil)
	join.Protocols = append(join.Protocols, protocol)
	for range 2 { // the first answer gives the member its id
		resp, err := join.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		join.MemberID = resp.MemberID
		if resp.ErrorCode == 0 {
			return
		}
	}
	t.Fatal("could not join")
}

func TestResumesExactlyAfterStopAndCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "a", "b")
	produce(t, p, "audit", 1, "c")
	h := newCollector()
	var s *Session
	s = NewSession(sessionConfig(c, "audit"), h, Options{OnStop: func(failure error) error {
		return errors.Join(failure, s.Commit(context.Background(), h.offsets()))
	}})
	start(t, s)
	h.untilRecords(t, 3)
	stop(t, s)
	if err := s.FailureCase(); err != nil {
		t.Fatal(err)
	}
	committed, err := kadm.NewClient(p).FetchOffsets(t.Context(), "logcluster")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := committed.Lookup("audit", 0); o.At != 2 {
		t.Errorf("committed %d", o.At)
	}
	produce(t, p, "audit", 1, "d")
	again := newCollector()
	start(t, NewSession(sessionConfig(c, "audit"), again, Options{Resume: h.offsets()}))
	again.untilRecords(t, 1)
	if want := []string{"audit/1@1=d"}; !slices.Equal(again.records, want) {
		t.Errorf("got %q, want %q", again.records, want)
	}
}

func TestHandlerErrorEndsTheSession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	h := newCollector()
	h.err = errors.New("disk full")
	var told error
	s := NewSession(sessionConfig(c, "audit"), h, Options{OnStop: func(err error) error { told = err; return nil }})
	wantContains(t, failure(t, s), "consume batch: disk full")
	if !errors.Is(told, h.err) {
		t.Errorf("OnStop was told %v", told)
	}
}

// An expelled member joins again and goes on where it was: nothing is lost and
// nothing handed out twice.
func TestExpelledMemberGoesOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(3, "audit"))
	p := newProducer(t, c)
	h := newCollector()
	s := NewSession(sessionConfig(c, "audit"), h, Options{})
	start(t, s)
	total := 0
	send := func() {
		for i := range 60 {
			produce(t, p, "audit", int32(i%3), fmt.Sprint(i))
		}
		total += 60
	}
	send()
	for range 3 {
		hits := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "logcluster", TopLevel: true, Err: kerr.UnknownMemberID})
		send()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := hits.Wait(ctx, 1); err != nil {
			t.Fatal(err)
		}
		cancel()
		send()
		c.ShufflePartitionLeaders()
	}
	h.until(t, "all records", func(h *collector) bool {
		sum := int64(0)
		for _, p := range h.seen {
			sum += p.Next
		}
		return sum == int64(total)
	})
	unique := slices.Compact(slices.Sorted(slices.Values(h.records)))
	if len(unique) != total || len(h.records) != total {
		t.Errorf("%d records, %d of them distinct, want %d", len(h.records), len(unique), total)
	}
}

func TestNewPartitionIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	h := newCollector()
	cfg := sessionConfig(c, "audit")
	cfg.Start = StartLatest
	s := NewSession(cfg, h, Options{})
	start(t, s)
	h.until(t, "the first partition", func(h *collector) bool { return len(h.seen) == 1 })
	if _, err := kadm.NewClient(p).UpdatePartitions(t.Context(), 2, "audit"); err != nil {
		t.Fatal(err)
	}
	q := newProducer(t, c) // the other one does not know of it yet
	produce(t, q, "audit", 1, "new")
	s.client.ForceMetadataRefresh()
	h.until(t, "the record of the new partition", func(h *collector) bool { return slices.Contains(h.records, "audit/1@0=new") })
}
