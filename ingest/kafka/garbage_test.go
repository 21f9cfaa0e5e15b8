package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest"
)

// decoding is a handler as the application has one: it decodes, counts, and
// writes a letter about every record with something wrong in it.
type decoding struct {
	*collector
	decoder *ingest.Decoder
	letters Letters
	total   ingest.Result
	emitted []string
}

func (d *decoding) Consume(ctx context.Context, b *Batch) error {
	for i := range b.Partitions {
		p := &b.Partitions[i]
		for _, r := range p.Records {
			result, err := d.decoder.Decode(r.Value, func(e *fingerprint.Event) {
				d.emitted = append(d.emitted, strings.Clone(e.ID))
			})
			d.total.Add(&result)
			if reject := (*ingest.RejectError)(nil); errors.As(err, &reject) {
				d.letters.Put(Letter{
					Reason: reject.Reason.String(), Topic: p.Topic, Partition: p.ID, Offset: r.Offset,
					Count: int64(result.TotalRejected()), Time: time.Now(), Detail: reject.Error(),
				})
			}
		}
	}
	return d.collector.Consume(ctx, b)
}

// Garbage of every kind is counted by its reason, noted with its offset, and
// does not touch what is between.
func TestGarbageInTheTopic(t *testing.T) {
	t.Parallel()
	good := func(id int) string {
		return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"good-%d","stage":"ResponseComplete",`+
			`"verb":"get","requestURI":"/healthz","stageTimestamp":"2026-03-09T14:07:31.5Z"}`, id)
	}
	garbage := []struct {
		value  string
		reason ingest.Reason
	}{
		{`not json at all`, ingest.ReasonInvalidJSON},
		{`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"cut of`, ingest.ReasonInvalidJSON},
		{strings.Repeat("x", 10<<20), ingest.ReasonTooLarge},
		{"<null>", ingest.ReasonEmpty},
		{"  \n ", ingest.ReasonEmpty},
		{strings.Repeat("[", 100_000), ingest.ReasonTooDeep},
		{`{"a":` + strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat("}", 1001), ingest.ReasonTooDeep},
		{`"a string"`, ingest.ReasonWrongType},
		{strings.Replace(good(0), `"get"`, `["get"]`, 1), ingest.ReasonWrongType},
		{`{"kind":"Pod","apiVersion":"v1"}`, ingest.ReasonUnsupportedKind},
		{strings.Replace(good(0), `"verb":"get",`, ``, 1), ingest.ReasonMissingField},
		{strings.Replace(good(0), `2026-03-09`, `2026-02-30`, 1), ingest.ReasonBadTimestamp},
		{strings.Replace(good(0), `ResponseComplete`, `Imagined`, 1), ingest.ReasonUnknownStage},
	}
	c := newCluster(t, kfake.SeedTopics(2, "audit"))
	p := newProducer(t, c, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	want := map[int64]string{}
	for i, g := range garbage {
		produce(t, p, "audit", 0, good(i), g.value)
		produce(t, p, "audit", 1, good(100+i))
		want[int64(2*i+1)] = g.reason.String()
	}
	dead := NewDeadLetter(deadLetterConfig(c), nil, nil)
	start(t, dead)
	h := &decoding{collector: newCollector(), decoder: ingest.NewDecoder(ingest.DefaultConfig()), letters: dead}
	s := NewSession(sessionConfig(c, "audit"), h, Options{Letters: dead})
	start(t, s)
	records := 3 * len(garbage)
	h.untilRecords(t, records)
	stop(t, s)

	if h.total.Emitted != 2*len(garbage) || len(h.emitted) != 2*len(garbage) {
		t.Errorf("%d events emitted, want %d", h.total.Emitted, 2*len(garbage))
	}
	if sum := h.total.Emitted + h.total.TotalRejected() + h.total.TotalFiltered(); sum != records || h.total.Consumed() != records {
		t.Errorf("the identity does not hold: %d of %d records", sum, records)
	}
	for _, r := range readTopic(t, c, "logcluster.dlq", len(garbage)) {
		var l letterRecord
		if err := json.Unmarshal(r.Value, &l); err != nil {
			t.Fatal(err)
		}
		if l.Topic != "audit" || l.Partition != 0 || want[l.Offset] != l.Reason {
			t.Errorf("letter %+v, want the reason %s", l, want[l.Offset])
		}
		if strings.Contains(string(r.Value), "not json at all") {
			t.Errorf("the letter has the payload: %s", r.Value)
		}
		delete(want, l.Offset)
	}
	if len(want) > 0 {
		t.Errorf("no letters about %v", want)
	}
}
