package ingest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"

	"github.com/logcluster/logcluster/fingerprint"
)

// fixtures are the records in testdata.
var fixtures = []string{"event.json", "event_bodies.json", "event_list.json", "event_rbac.json", "events.jsonl"}

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// BenchmarkDecode is the comparison that chose the tokenizer of [Decoder]: the
// same event, the same fields. The two others do less: no redaction, no limits,
// no accounting.
func BenchmarkDecode(b *testing.B) {
	event := fixture(b, "event.json")
	var sink int64
	b.Run("decoder-jx", func(b *testing.B) {
		d := NewDecoder(DefaultConfig())
		emit := func(e *fingerprint.Event) { sink += e.Time }
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Decode(event, emit); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoder-jx-attributes", func(b *testing.B) {
		cfg := DefaultConfig()
		cfg.Attributes = everyAttribute()
		d := NewDecoder(cfg)
		emit := func(e *fingerprint.Event) { sink += int64(len(e.Attributes)) }
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Decode(event, emit); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json-iterator", func(b *testing.B) {
		it := jsoniter.NewIterator(jsoniter.ConfigFastest)
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			it.ResetBytes(event)
			e, err := decodeWithIterator(it)
			if err != nil {
				b.Fatal(err)
			}
			sink += e.Time
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			e, err := decodeWithStandard(event)
			if err != nil {
				b.Fatal(err)
			}
			sink += e.Time
		}
	})
}

// BenchmarkDecodeShapes shows what the other shapes of a record cost.
func BenchmarkDecodeShapes(b *testing.B) {
	for _, name := range fixtures {
		b.Run(name, func(b *testing.B) {
			record := fixture(b, name)
			d := NewDecoder(DefaultConfig())
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(record, func(*fingerprint.Event) {}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func decodeWithIterator(it *jsoniter.Iterator) (fingerprint.Event, error) {
	var e fingerprint.Event
	var uri, stageTime, received string
	for key := it.ReadObject(); key != ""; key = it.ReadObject() {
		switch key {
		case "auditID":
			e.ID = it.ReadString()
		case "verb":
			e.Verb = it.ReadString()
		case "requestURI":
			uri = it.ReadString()
		case "userAgent":
			e.UserAgent = it.ReadString()
		case "stageTimestamp":
			stageTime = it.ReadString()
		case "requestReceivedTimestamp":
			received = it.ReadString()
		case "sourceIPs":
			for it.ReadArray() {
				if ip := it.ReadString(); e.Source == "" {
					e.Source = ip
				}
			}
		case "user":
			for key := it.ReadObject(); key != ""; key = it.ReadObject() {
				switch key {
				case "username":
					e.User = it.ReadString()
				case "groups":
					for it.ReadArray() {
						e.Groups = append(e.Groups, it.ReadString())
					}
				default:
					it.Skip()
				}
			}
		case "objectRef":
			for key := it.ReadObject(); key != ""; key = it.ReadObject() {
				switch key {
				case "resource":
					e.Resource.Name = it.ReadString()
				case "apiGroup":
					e.Resource.Group = it.ReadString()
				case "subresource":
					e.Resource.Subresource = it.ReadString()
				case "namespace":
					e.Resource.Namespace = it.ReadString()
				case "name":
					e.Resource.Object = it.ReadString()
				default:
					it.Skip()
				}
			}
		case "responseStatus":
			for key := it.ReadObject(); key != ""; key = it.ReadObject() {
				if key == "code" {
					e.Code = it.ReadInt()
				} else {
					it.Skip()
				}
			}
		case "annotations":
			for key := it.ReadObject(); key != ""; key = it.ReadObject() {
				switch key {
				case "authorization.k8s.io/decision":
					e.Decision = decisionOf(it.ReadString())
				case "authorization.k8s.io/reason":
					e.Reason = it.ReadString()
				default:
					it.Skip()
				}
			}
		default:
			it.Skip()
		}
	}
	if e.Resource.Name == "" {
		e.Resource.Path = withoutQuery(uri)
	}
	stage, err := time.Parse(time.RFC3339Nano, stageTime)
	if err != nil {
		return e, err
	}
	start, err := time.Parse(time.RFC3339Nano, received)
	if err != nil {
		return e, err
	}
	e.Time, e.Latency = stage.UnixNano(), stage.Sub(start).Nanoseconds()
	return e, it.Error
}

func decodeWithStandard(record []byte) (fingerprint.Event, error) {
	var r struct {
		AuditID, Verb, RequestURI, UserAgent     string
		StageTimestamp, RequestReceivedTimestamp time.Time
		SourceIPs                                []string
		User                                     struct {
			Username string
			Groups   []string
		}
		ObjectRef      struct{ Resource, APIGroup, Subresource, Namespace, Name string }
		ResponseStatus struct{ Code int }
		Annotations    map[string]string
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return fingerprint.Event{}, err
	}
	e := fingerprint.Event{
		ID: r.AuditID, Verb: r.Verb, UserAgent: r.UserAgent, User: r.User.Username, Groups: r.User.Groups,
		Time: r.StageTimestamp.UnixNano(), Latency: r.StageTimestamp.Sub(r.RequestReceivedTimestamp).Nanoseconds(),
		Code: r.ResponseStatus.Code, Reason: r.Annotations["authorization.k8s.io/reason"],
		Decision: decisionOf(r.Annotations["authorization.k8s.io/decision"]),
		Resource: fingerprint.Resource{
			Group: r.ObjectRef.APIGroup, Name: r.ObjectRef.Resource, Subresource: r.ObjectRef.Subresource,
			Namespace: r.ObjectRef.Namespace, Object: r.ObjectRef.Name,
		},
	}
	if len(r.SourceIPs) > 0 {
		e.Source = r.SourceIPs[0]
	}
	if e.Resource.Name == "" {
		e.Resource.Path = withoutQuery(r.RequestURI)
	}
	return e, nil
}

// The choice of a faster decoder must not be a choice of other results.
func TestDecodersOfTheBenchmarkAgree(t *testing.T) {
	event := fixture(t, "event.json")
	want, err := decodeWithStandard(event)
	if err != nil {
		t.Fatal(err)
	}
	iterated, err := decodeWithIterator(jsoniter.ParseBytes(jsoniter.ConfigFastest, event))
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, &iterated, &want)
	if _, err := NewDecoder(DefaultConfig()).Decode(event, func(e *fingerprint.Event) { checkSame(t, e, &want) }); err != nil {
		t.Fatal(err)
	}
}
