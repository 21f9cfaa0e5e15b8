package app

import (
	"unsafe"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// decodeStage is the first half of a record's way: bytes to fingerprinted
// events. It keeps no state that a result depends on, so it may run ahead of
// the engine in a goroutine of its own; it is not safe for concurrent use.
type decodeStage struct {
	decoder      *ingest.Decoder
	policies     *policies
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
	partition    int32 // of Kafka, else noPartition
	offset, time int64
}

const noPartition = -1

// of is the origin as the windows want it.
func (o *origin) of() cluster.Origin {
	from := cluster.Origin{Source: o.source, Offset: o.offset, RecordTime: o.time}
	if o.partition == noPartition {
		from.Offset = -1
	}
	return from
}

// newDecodeStage returns a stage that asks the policies for roles, and tells them
// what the log says of their changes. The configuration must be valid.
func newDecodeStage(cfg *Config, p *policies) *decodeStage {
	mapping, err := fingerprint.NewMapping(cfg.Roles.Mapping)
	if err != nil {
		panic("decode: invalid role mapping: " + err.Error())
	}
	reading := cfg.Ingest
	reading.Attributes = mapping.Attributes()
	s := &decodeStage{
		decoder:      ingest.NewDecoder(reading),
		policies:     p,
		fingerprints: fingerprint.New(cfg.Fingerprint, fingerprint.Roles{Policies: p, Mapping: mapping}),
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
	s.policies.observe(e, s.origin)
	fp := s.fingerprints.Of(e)
	s.out.roles[fp.Cluster.RoleSource]++
	if e.Decision == fingerprint.DecisionForbid && s.policies.refuted(e) {
		s.out.refuted++
	}
	s.out.add(e, fp, s.origin)
}

// observations are decoded events on their way to the engine. They own their
// text, so that the records they came from can be given back. Reused.
type observations struct {
	items  []observation
	arena  []byte
	result ingest.Result
	// roles counts events by where their role came from, refuted those whose
	// refusal the policy in force can't explain.
	roles   [rbac.SourceCount]uint64
	refuted uint64
}

// observation is one fingerprinted event.
type observation struct {
	event       fingerprint.Event
	fingerprint *fingerprint.Fingerprint
	origin      origin
}

func (o *observations) reset() {
	o.items, o.arena = o.items[:0], o.arena[:0]
	o.result, o.roles, o.refuted = ingest.Result{}, [rbac.SourceCount]uint64{}, 0
}

// add copies what the windows count of an event: what they do not look at
// (groups, reason, user agent) ends here.
func (o *observations) add(e *fingerprint.Event, fp *fingerprint.Fingerprint, from origin) {
	user, _ := e.Subject()
	o.items = append(o.items, observation{
		event: fingerprint.Event{
			Time:     e.Time,
			ID:       o.keep(e.ID),
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
func (o *observations) apply(e *engine.Engine, accepted, rejected func(*observation)) {
	for i := range o.items {
		ob := &o.items[i]
		if e.Windows().Add(&ob.event, ob.fingerprint, ob.origin.of()) == cluster.RejectedAhead {
			rejected(ob)
		} else {
			accepted(ob)
		}
	}
	e.Advance()
}
