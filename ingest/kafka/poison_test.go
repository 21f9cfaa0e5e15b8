package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// letterBox keeps letters.
type letterBox struct {
	mu      sync.Mutex
	letters []Letter
}

func (b *letterBox) Put(l Letter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, l)
}

func TestDecompressionBombIsSkipped(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "audit"))
	p := newProducer(t, c, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	produce(t, p, "audit", 0, "before", strings.Repeat("0", 1<<20), "after")
	produce(t, p, "audit", 1, "neighbour")
	cfg := sessionConfig(c, "audit")
	cfg.MaxDecompressBatchBytes = 1 << 16
	h, box := newCollector(), &letterBox{}
	s := NewSession(cfg, h, Options{Letters: box})
	start(t, s)
	h.untilRecords(t, 3)
	checkSkipped(t, s, h, box, pollTooLarge, "audit/0:1-1")
}

func checkSkipped(t *testing.T, s *Session, h *collector, box *letterBox, reason pollReason, want string) {
	t.Helper()
	if got := strings.Join(h.poison, " "); got != want {
		t.Errorf("poison %q, want %q", got, want)
	}
	var skipped int64
	for _, l := range box.letters {
		skipped += l.Count
		if l.Reason != "poison_batch" || l.Topic != "audit" || l.Partition != 0 || l.LastOffset != l.Offset+l.Count-1 || l.Detail == "" {
			t.Errorf("letter %+v", l)
		}
	}
	if n := testutil.ToFloat64(s.metrics.poisoned.WithLabelValues(string(reason))); int64(n) != skipped || len(box.letters) != 1 {
		t.Errorf("%v offsets counted, %d in %d letters", n, skipped, len(box.letters))
	}
	for _, name := range []string{"audit/0", "audit/1"} {
		if p := h.seen[name]; p.Lag() != 0 {
			t.Errorf("%s has a lag: %+v", name, p)
		}
	}
}

// rubbishBatch returns a record batch that claims three records in gzip but holds
// rubbish, with a right checksum.
func rubbishBatch() []byte {
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 1, LastOffsetDelta: 2,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 3,
		Records: []byte("this is not gzip"),
	}
	raw := batch.AppendTo(nil)
	batch.Length = int32(len(raw) - 12)
	raw = batch.AppendTo(nil)
	batch.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return batch.AppendTo(nil)
}

func TestDamagedBatchIsSkippedAsAWhole(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "before")
	appendRaw(t, c, p, rubbishBatch())
	produce(t, p, "audit", 0, "after")
	produce(t, p, "audit", 1, "neighbour")
	h, box := newCollector(), &letterBox{}
	s := NewSession(sessionConfig(c, "audit"), h, Options{Letters: box})
	start(t, s)
	h.untilRecords(t, 3)
	checkSkipped(t, s, h, box, pollCorrupt, "audit/0:1-3")
}

// appendRaw produces the bytes of a batch to partition 0 of the topic audit.
func appendRaw(t *testing.T, c *kfake.Cluster, client *kgo.Client, raw []byte) {
	t.Helper()
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "audit")
	if err != nil {
		t.Fatal(err)
	}
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = raw
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = "audit", topics["audit"].ID
	topic.Partitions = append(topic.Partitions, partition)
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 5000
	request.Topics = append(request.Topics, topic)
	answer, err := client.Broker(int(c.LeaderFor("audit", 0))).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// A header that makes no sense costs one offset, not the partition.
func TestBatchEndOfNonsense(t *testing.T) {
	header := func(base int64, delta int32) []byte {
		b := make([]byte, 61)
		binary.BigEndian.PutUint64(b, uint64(base))
		binary.BigEndian.PutUint32(b[23:], uint32(delta))
		return b
	}
	for name, test := range map[string]struct {
		raw  []byte
		want int64
	}{
		"whole batch":      {header(8, 5), 14},
		"begins before":    {header(3, 10), 14},
		"empty":            {nil, 11},
		"cut off":          {header(8, 5)[:60], 11},
		"begins later":     {header(12, 3), 11},
		"ends before":      {header(2, 3), 11},
		"negative":         {header(9, -4), 11},
		"beyond the end":   {header(9, 1<<30), 11},
		"negative offsets": {header(-9, 30), 11},
	} {
		if got := endOfBatch(test.raw, 10, 20); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
