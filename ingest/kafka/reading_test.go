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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func readConfig(c *kfake.Cluster) *Config {
	cfg := sessionConfig(c)
	return &cfg
}

// readAll reads a topic and returns its records as partition@offset=value, in
// the order of partitions.
func readAll(t *testing.T, cfg *Config, topic string) ([]string, Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []string
	var read, total int64
	sum, err := ReadTopic(ctx, cfg, topic, ReadOptions{Progress: func(r, of int64) {
		if r < read || total != 0 && total != of {
			t.Errorf("progress %d of %d after %d of %d", r, of, read, total)
		}
		read, total = r, of
	}}, func(partition int32, r Record) error {
		got = append(got, fmt.Sprintf("%d@%d=%.20s", partition, r.Offset, r.Value))
		return nil
	})
	if err == nil && read != total {
		t.Errorf("the progress ends at %d of %d", read, total)
	}
	slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
	return got, sum, err
}

func checkRead(t *testing.T, cfg *Config, topic string, want ...string) Reading {
	t.Helper()
	got, sum, err := readAll(t, cfg, topic)
	if err != nil || !slices.Equal(got, want) || sum.Records != int64(len(want)) {
		t.Errorf("got %q, %+v, error %v, want %q", got, sum, err, want)
	}
	return sum
}

func TestReadTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(4, "audit", "empty"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "a", "<null>", "b")
	produce(t, p, "audit", 2, "c")
	produce(t, p, "audit", 3, "gone", "d", "e")
	deleteRecords(t, c, "audit", 3, 1)
	sum := checkRead(t, readConfig(c), "audit", "0@0=a", "0@1=", "0@2=b", "2@0=c", "3@1=d", "3@2=e")
	if want := (Reading{Partitions: 4, Records: 6, Bytes: 5}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if sum := checkRead(t, readConfig(c), "empty"); sum.Partitions != 4 {
		t.Errorf("got %+v", sum)
	}
	groups, err := kadm.NewClient(p).ListGroups(t.Context())
	if err != nil || len(groups) != 0 {
		t.Errorf("groups %v, error %v", groups, err)
	}
}

func deleteRecords(t *testing.T, c *kfake.Cluster, topic string, partition int32, before int64) {
	t.Helper()
	if err := c.DeleteRecords(topic, partition, before); err != nil {
		t.Fatal(err)
	}
}

// A partition whose records are all gone is not waited for.
func TestReadTopicAfterRetention(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "gone", "gone")
	produce(t, p, "audit", 1, "a")
	deleteRecords(t, c, "audit", 0, 2)
	checkRead(t, readConfig(c), "audit", "1@0=a")
}

// The end is where it was at the beginning, however fast the topic grows.
func TestReadTopicEndsWhileItGrows(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "a", "b", "c")
	n := 0
	sum, err := ReadTopic(t.Context(), readConfig(c), "audit", ReadOptions{}, func(_ int32, r Record) error {
		n++
		produce(t, p, "audit", 0, "new", "new")
		if string(r.Value) == "new" {
			t.Errorf("record %d is newer than the reading", r.Offset)
		}
		return nil
	})
	if err != nil || n != 3 || sum.Records != 3 {
		t.Errorf("%d visited, %+v, error %v", n, sum, err)
	}
}

func transact(t *testing.T, client *kgo.Client, commit kgo.TransactionEndTry, topic string, values ...string) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, client, topic, 0, values...)
	if err := client.EndTransaction(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
}

// Of transactions what was committed is read; the reading ends behind the marker
// that ends the last one, and before one that is open.
func TestReadTopicWithTransactions(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c, kgo.TransactionalID("t"))
	transact(t, p, kgo.TryCommit, "audit", "a", "b")
	transact(t, p, kgo.TryAbort, "audit", "x", "y")
	transact(t, p, kgo.TryCommit, "audit", "c")
	transact(t, p, kgo.TryAbort, "audit", "z")
	want := []string{"0@0=a", "0@1=b", "0@6=c"}
	checkRead(t, readConfig(c), "audit", want...)

	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, p, "audit", 0, "open")
	produce(t, newProducer(t, c), "audit", 0, "behind")
	checkRead(t, readConfig(c), "audit", want...)
	if err := p.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	checkRead(t, readConfig(c), "audit", append(want, "0@11=behind")...)
}

// Compaction leaves gaps, also before the end, where nothing will ever come.
func TestReadTopicWithGaps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ records, want string }{
		"between":        {"a=1 b=1 a=2 c=1", "0@1=1 0@2=2 0@3=1"},
		"before the end": {"a=1 b=1 a=2 b=", "0@2=2"},
		"nothing left":   {"a=1 b=1 a= b=", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			if err := c.CreateTopic("audit", 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"}); err != nil {
				t.Fatal(err)
			}
			p := newProducer(t, c)
			for _, kv := range strings.Fields(test.records) {
				key, value, _ := strings.Cut(kv, "=")
				r := &kgo.Record{Topic: "audit", Key: []byte(key), Value: []byte(value), Timestamp: time.Now().Add(-time.Hour)}
				if value == "" {
					r.Value = nil
				}
				if err := p.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			// What is open ends the reading, and is the batch that compaction keeps.
			open := newProducer(t, c, kgo.TransactionalID("t"))
			if err := open.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := open.ProduceSync(t.Context(), &kgo.Record{Topic: "audit", Key: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			c.Compact()
			checkRead(t, readConfig(c), "audit", strings.Fields(test.want)...)
		})
	}
}

// What retention removes while it is read is passed over.
func TestReadTopicOvertakenByRetention(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]int64{"in part": 15, "entirely": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(1, "audit"))
			p := newProducer(t, c)
			for i := range 20 {
				produce(t, p, "audit", 0, fmt.Sprint(i, strings.Repeat(" ", 10_000)))
			}
			cfg := readConfig(c)
			cfg.FetchMaxBytes, cfg.FetchMaxPartitionBytes, cfg.MaxConcurrentFetches = 1<<10, 1<<10, 1
			var offsets []int64
			_, err := ReadTopic(t.Context(), cfg, "audit", ReadOptions{}, func(_ int32, r Record) error {
				if offsets = append(offsets, r.Offset); len(offsets) == 1 {
					deleteRecords(t, c, "audit", 0, until)
				}
				return nil
			})
			want := int(20 - until)
			if err != nil || len(offsets) < 1+want || len(offsets) > 10 || !slices.IsSorted(offsets) {
				t.Errorf("offsets %v, error %v", offsets, err)
			}
		})
	}
}

func TestReadTopicPassesOverPoison(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	produce(t, p, "audit", 0, "before", strings.Repeat("0", 1<<20), "after", strings.Repeat("0", 1<<20))
	cfg := readConfig(c)
	cfg.MaxDecompressBatchBytes = 1 << 16
	if sum := checkRead(t, cfg, "audit", "0@0=before", "0@2=after"); sum.Poison != 2 {
		t.Errorf("got %+v", sum)
	}
}

func TestReadTopicPassesOverDamage(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "before")
	appendRaw(t, c, p, rubbishBatch())
	produce(t, p, "audit", 0, "after")
	if sum := checkRead(t, readConfig(c), "audit", "0@0=before", "0@4=after"); sum.Poison != 3 {
		t.Errorf("got %+v", sum)
	}
}

func TestReadTopicErrors(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	_, _, err := readAll(t, readConfig(c), "missing")
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("error %v", err)
	}
	wantContains(t, fmt.Sprint(err), "look up topic missing", "does not exist")

	produce(t, newProducer(t, c), "audit", 0, "a")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "audit", Err: kerr.TopicAuthorizationFailed, Count: -1})
	_, _, err = readAll(t, readConfig(c), "audit")
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("error %v", err)
	}
	wantContains(t, fmt.Sprint(err), "read topic audit partition 0 at offset 0")

	cfg := readConfig(c)
	cfg.Client.SASL = SASLConfig{Mechanism: "NONSENSE", Password: NewSecret("x")}
	_, _, err = readAll(t, cfg, "audit")
	wantContains(t, fmt.Sprint(err), "NONSENSE")
}

// What a user may not do is said where it fails.
func TestReadTopicUnauthorized(t *testing.T) {
	t.Parallel()
	describe := kfake.ACL{
		Resource: kmsg.ACLResourceTypeTopic, Name: "audit", Pattern: kmsg.ACLResourcePatternTypeLiteral,
		Operation: kmsg.ACLOperationDescribe, Allow: true,
	}
	c := newCluster(
		t, kfake.SeedTopics(1, "audit"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(SASLPlain, "admin", "x"),
		kfake.User(SASLPlain, "describer", "x", describe), kfake.User(SASLPlain, "nobody", "x"))
	as := func(name string) *Config {
		cfg := readConfig(c)
		cfg.Client.SASL = SASLConfig{Mechanism: SASLPlain, Username: name, Password: NewSecret("x")}
		return cfg
	}
	admin, err := NewClient(&as("admin").Client, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	produce(t, admin, "audit", 0, "a")
	checkRead(t, as("admin"), "audit", "0@0=a")
	for user, want := range map[string]string{"describer": "read topic audit partition 0", "nobody": "look up topic audit"} {
		_, _, err := readAll(t, as(user), "audit")
		if !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("%s: error %v", user, err)
		}
		wantContains(t, fmt.Sprint(err), want)
	}
}

func TestReadTopicVisitError(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	produce(t, newProducer(t, c), "audit", 0, "a", "b")
	enough := errors.New("enough")
	sum, err := ReadTopic(t.Context(), readConfig(c), "audit", ReadOptions{}, func(int32, Record) error { return enough })
	if !errors.Is(err, enough) || err.Error() != "enough" || sum.Records != 1 {
		t.Errorf("%+v, error %v", sum, err)
	}
}

func TestReadTopicCancelled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	produce(t, p, "audit", 0, "a")
	fetches := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
	defer fetches.Remove()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	sum, err := ReadTopic(ctx, readConfig(c), "audit", ReadOptions{}, func(int32, Record) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || sum.Records != 0 {
		t.Errorf("%+v, error %v", sum, err)
	}
}

func TestReadTopicUnreachable(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Client.Brokers = []string{"127.0.0.1:1"}
	_, _, err := readAll(t, &cfg, "audit")
	wantContains(t, fmt.Sprint(err), "look up topic audit", "127.0.0.1:1")
}
