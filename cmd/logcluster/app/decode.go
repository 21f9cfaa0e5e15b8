package app

import (
	"unsafe"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// decodeStage is the first half of a record's way: bytes to fingerprinted
// events. It keeps no state that a result depends on, so it may run ahead of
// the engine in a goroutine of its own; it is not safe for concurrent use.
type decodeStage struct {
	decoder      *ingest.Decoder
	fingerprints *fingerprint.Fingerprinter
	emit         func(*fingerprint.Event)

	// What belongs to the record in hand.
	out    *observations
	tenant string
	origin origin
}

// origin is where an event came from: its source, and the place and time of its
// record in it (zero for files).
type origin struct {
	source       int
	offset, time int64
}

func newDecodeStage(cfg *Config, roles fingerprint.Roles) *decodeStage {
	s := &decodeStage{
		decoder:      ingest.NewDecoder(cfg.Ingest),
		fingerprints: fingerprint.New(cfg.Fingerprint, roles),
	}
	s.emit = s.observe
	return s
}

// decode appends the events of one record to out. The error, a
// [*ingest.RejectError], is the first rejection of the record; out.result
// counts them all.
func (s *decodeStage) decode(out *observations, tenant string, from origin, value []byte) error {
	s.out, s.tenant, s.origin = out, tenant, from
	result, err := s.decoder.Decode(value, s.emit)
	out.result.Add(&result)
	s.out = nil
	return err
}

func (s *decodeStage) observe(e *fingerprint.Event) {
	e.Tenant = s.tenant
	fp := s.fingerprints.Of(e)
	if fp.Cluster.RoleSource == rbac.SourceUnknown {
		s.out.unknownRole++
	}
	s.out.add(e, fp, s.origin)
}

// observations are decoded events on their way to the engine. They own their
// text, so that the records they came from can be given back. Reused.
type observations struct {
	items       []observation
	arena       []byte
	result      ingest.Result
	unknownRole uint64
}

// observation is one fingerprinted event.
type observation struct {
	event       fingerprint.Event
	fingerprint *fingerprint.Fingerprint
	origin      origin
}

func (o *observations) reset() {
	o.items, o.arena = o.items[:0], o.arena[:0]
	o.result, o.unknownRole = ingest.Result{}, 0
}

// add copies what the windows count of an event: what they do not look at
// (groups, reason, user agent) ends here.
func (o *observations) add(e *fingerprint.Event, fp *fingerprint.Fingerprint, from origin) {
	user, _ := e.Subject()
	o.items = append(o.items, observation{
		event: fingerprint.Event{
			Time:     e.Time,
			User:     o.keep(user),
			Resource: fingerprint.Resource{Namespace: o.keep(e.Resource.Namespace), Object: o.keep(e.Resource.Object)},
			Decision: e.Decision,
			Code:     e.Code,
			Latency:  e.Latency,
			Source:   o.keep(e.Source),
		},
		fingerprint: fp,
		origin:      from,
	})
}

// keep copies s into the arena. A string handed out earlier stays valid when
// the arena grows: it keeps the old one alive.
func (o *observations) keep(s string) string {
	if s == "" {
		return ""
	}
	start := len(o.arena)
	o.arena = append(o.arena, s...)
	return unsafe.String(&o.arena[start], len(s))
}

// apply counts the observations in the engine, calls accepted or rejected with
// each, and closes what the watermark has passed.
func (e *engine) apply(o *observations, accepted, rejected func(*observation)) {
	for i := range o.items {
		ob := &o.items[i]
		if e.windows.Add(&ob.event, ob.fingerprint, ob.origin.source, ob.origin.time) == cluster.RejectedAhead {
			rejected(ob)
		} else {
			accepted(ob)
		}
	}
	e.advance()
}
