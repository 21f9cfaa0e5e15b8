//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// garbage is a record that should be rejected, wholly or in part.
type garbage struct {
	name, value string
	// reason and count are how its events are counted; events is how many of
	// it are good all the same.
	reason        string
	count, events int
}

// everyKind are records of every kind of garbage that a real broker lets
// through.
func everyKind() []garbage {
	now := time.Now()
	good := string(audited(now, "dave", "viewer", "list", "pods", "").text)
	ahead := string(audited(now.AddDate(1, 0, 0), "dave", "viewer", "list", "pods", "").text)
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	return []garbage{
		{name: "no JSON", value: "not json", reason: "invalid_json", count: 1},
		{name: "breaks off", value: good[:len(good)/2], reason: "invalid_json", count: 1},
		{name: "binary", value: "\x00\x1f\x8b\xff\xfe" + strings.Repeat("\x80", 1000), reason: "invalid_json", count: 1},
		{name: "null value", reason: "empty", count: 1},
		{name: "blank", value: " \n\t ", reason: "empty", count: 1},
		{name: "deep", value: strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), reason: "too_deep", count: 1},
		{name: "deep and open", value: strings.Repeat("[", 900_000), reason: "too_deep", count: 1},
		{name: "deep in a body", value: with(`"verb"`, `"requestObject":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"verb"`), reason: "too_deep", count: 1},
		{name: "10 MB", value: with(`"verb"`, `"requestObject":"`+strings.Repeat("x", 10_000_000)+`","verb"`), reason: "too_large", count: 1},
		{name: "a string", value: `"text"`, reason: "wrong_type", count: 1},
		{name: "verb is a number", value: with(`"verb":"list"`, `"verb":7`), reason: "wrong_type", count: 1},
		{name: "user is an array", value: with(`"user":{`, `"user":[1],"other":{`), reason: "wrong_type", count: 1},
		{name: "a Pod", value: `{"kind":"Pod","apiVersion":"v1"}`, reason: "unsupported_kind", count: 1},
		{name: "no stage", value: with(`"stage":"ResponseComplete",`, ``), reason: "missing_field", count: 1},
		{name: "30 February", value: bad(good, "2026-02-30T00:00:00.000000Z"), reason: "bad_timestamp", count: 1},
		{name: "unknown stage", value: with("ResponseComplete", "Imagined"), reason: "unknown_stage", count: 1},
		{name: "a year ahead", value: ahead, reason: "rejected_ahead", count: 1},
		{name: "a list with a bad item", value: `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + good + `,{"stage":7}]}`, reason: "wrong_type", count: 1, events: 1},
		{name: "two numbers", value: `[1,2]`, reason: "wrong_type", count: 2},
	}
}

// bad replaces the times of an event.
func bad(good, at string) string {
	return times.ReplaceAllString(good, "${1}"+at+`"`)
}

// TestGarbage mixes every kind of garbage with good events. Each is counted by
// its reason and has a letter with its offset; the good ones are all counted.
func TestGarbage(t *testing.T) {
	s := theStack(t)
	name, most := unique("garbage"), "12000000"
	topic := newTopic(t, s, name+"-audit", 2, map[string]*string{"max.message.bytes": &most})
	i := newInstance(t, s, topic, name, freeAddress(t))
	service := i.start(t)

	client := kafkaClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchMaxBytes(12_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableIdempotentWrite())
	send := func(partition int32, value []byte) int64 {
		r, err := client.ProduceSync(t.Context(), &kgo.Record{Partition: partition, Value: value}).First()
		if err != nil {
			t.Fatal(err)
		}
		return r.Offset
	}
	good, rejected, letters := 0, map[string]int{}, map[string]string{}
	for _, g := range everyKind() {
		var value []byte
		if g.value != "" {
			value = []byte(g.value)
		}
		at := send(0, value)
		letters[fmt.Sprintf("%s/0@%d", topic, at)] = g.reason
		rejected[g.reason] += g.count
		for partition := range int32(2) {
			send(partition, audited(time.Now(), "alice", "viewer", "list", "pods", "").text)
		}
		good += 2 + g.events
	}
	good += nearTheLimits(send)
	rejected["poison_batch"], letters[fmt.Sprintf("%s/1@%d", topic, sendBomb(t, s, topic))] = 1, "poison_batch"
	send(1, audited(time.Now(), "alice", "viewer", "list", "pods", "").text)
	good++

	all := good
	for _, n := range rejected {
		all += n
	}
	service.awaitConsumed(t, all, 30*time.Second)
	for reason, n := range rejected {
		if got := service.metric(t, "logcluster_events_rejected_total", "reason", reason); got != float64(n) {
			t.Errorf("%v events rejected as %s, want %d", got, reason, n)
		}
	}
	if got := service.metric(t, "logcluster_events_total"); got != float64(good) {
		t.Errorf("%v events counted, want %d", got, good)
	}
	service.identity(t)
	lettersInTopic(t, service, letters)
	service.end(t, syscall.SIGTERM)
}

// nearTheLimits sends what is unusual and none the less good, and returns how
// many events that is: a body of 7 MB, bytes that are no text, the year 2000.
func nearTheLimits(send func(int32, []byte) int64) int {
	good := audited(time.Now(), "alice", "viewer", "list", "pods", "").text
	send(0, bytes.Replace(good, []byte(`"verb"`), []byte(`"requestObject":"`+strings.Repeat("x", 7_000_000)+`","verb"`), 1))
	send(0, bytes.Replace(good, []byte(`"agent of alice"`), []byte("\"agent \xff\xfe\""), 1))
	send(0, audited(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), "alice", "viewer", "list", "pods", "").text)
	return 3
}

// sendBomb sends a record of 100 MB that takes a few kilobytes on its way, and
// returns its offset.
func sendBomb(t *testing.T, s *stack, topic string) int64 {
	t.Helper()
	client := kafkaClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.BrokerMaxWriteBytes(200_000_000), kgo.ProducerBatchMaxBytes(150_000_000), kgo.MaxBufferedBytes(0),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	r, err := client.ProduceSync(t.Context(), &kgo.Record{Partition: 1, Value: make([]byte, 100_000_000)}).First()
	if err != nil {
		t.Fatal(err)
	}
	return r.Offset
}

// lettersInTopic wants one letter about each bad record, with its offset, and
// nothing of what was in it.
func lettersInTopic(t *testing.T, s *service, want map[string]string) {
	t.Helper()
	until(t, 15*time.Second, func() (bool, string) {
		written := s.metric(t, "logcluster_dead_letters_total", "outcome", "written")
		return written == float64(len(want)), fmt.Sprintf("%v letters written, want %d", written, len(want))
	})
	got := map[string]string{}
	for _, r := range readTopic(t, s.stack, s.letters()) {
		var l struct {
			Reason, Topic, Detail string
			Partition             int
			Offset                int64
		}
		if err := json.Unmarshal(r.Value, &l); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		got[l.Topic+"/"+strconv.Itoa(l.Partition)+"@"+strconv.FormatInt(l.Offset, 10)] = l.Reason
		harmless(t, "letter", string(r.Value))
		if len(r.Value) > 1000 {
			t.Errorf("a letter of %d bytes: %.500s", len(r.Value), r.Value)
		}
	}
	for where, reason := range want {
		if got[where] != reason {
			t.Errorf("the letter about %s says %q, want %q", where, got[where], reason)
		}
	}
	t.Logf("%d letters about bad records, each with its offset", len(got))
}
