package ingest

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"github.com/logcluster/logcluster/fingerprint"
)

// Decoder reads audit records. It is not safe for concurrent use: each
// goroutine has its own. It allocates nothing in the steady state; what it
// allocates once (a scratch for text that cannot alias the record) grows to
// the largest event seen and is bounded by [Config.MaxRecordBytes].
//
// The tokens are read by go-faster/jx, which the benchmarks of this package
// compare with json-iterator and encoding/json on the same event.
type Decoder struct {
	cfg Config

	// outer is the object at the top of the record and inner the event of a
	// list in hand; kept apart so that a list can be streamed.
	outer, inner object
	scratch      []byte
	validUTF8    bool

	emit   func(*fingerprint.Event)
	result Result
	err    *RejectError

	jx, deferred, body jx.Decoder

	// wanted are the configured attributes; wantExtra says that a user's extra
	// fields are among them.
	wanted    []wantedAttribute
	wantExtra bool
}

// NewDecoder returns a decoder with the given configuration, which must be
// valid.
func NewDecoder(cfg Config) *Decoder {
	d := &Decoder{cfg: cfg}
	d.wantAttributes()
	return d
}

// Decode calls emit for every request in the record, in the order of the
// record, and counts the rest.
//
// The event and all that it refers to are valid only until emit returns: emit
// must clone or intern what it keeps. The record is never modified.
//
// A bad event does not touch its neighbours. Where the record stops being JSON
// the rest of it is rejected as one event; what came before has been emitted.
// Of repeated keys the last one counts, null is as good as absent, unknown keys
// are skipped, and invalid UTF-8 becomes U+FFFD.
//
// The error, when not nil, is a [*RejectError] with the first rejection of the
// record; Result counts them all.
func (d *Decoder) Decode(value []byte, emit func(*fingerprint.Event)) (Result, error) {
	d.result, d.err, d.emit = Result{}, nil, emit
	d.decode(value)
	d.emit = nil
	if d.err != nil {
		return d.result, d.err
	}
	return d.result, nil
}

func (d *Decoder) decode(value []byte) {
	switch {
	case len(value) > d.cfg.MaxRecordBytes:
		d.reject(ReasonTooLarge, "", nil)
		return
	case tooDeep(value, d.cfg.MaxDepth):
		d.reject(ReasonTooDeep, "", nil)
		return
	}
	d.validUTF8 = utf8.Valid(value)
	d.jx.ResetBytes(value)
	for first := true; ; first = false {
		end, err := d.topLevel()
		if err != nil {
			d.reject(ReasonInvalidJSON, "", err)
			return
		}
		if end {
			if first {
				d.reject(ReasonEmpty, "", nil)
			}
			return
		}
	}
}

// topLevel reads one value of the record. An error means that the text is not
// JSON from here on.
func (d *Decoder) topLevel() (end bool, err error) {
	switch d.jx.Next() {
	case jx.Object:
		return false, d.object(&d.jx, &d.outer, false)
	case jx.Array:
		return false, d.events(&d.jx, &d.outer, false)
	case jx.Invalid:
		if err := d.jx.Skip(); !errors.Is(err, io.EOF) {
			return false, err
		}
		return true, nil
	default:
		if err := d.jx.Skip(); err != nil {
			return false, err
		}
		d.reject(ReasonWrongType, "", nil)
		return false, nil
	}
}

// events reads an array of events. inList says that they are the items of an
// EventList, which need not repeat the kind.
func (d *Decoder) events(dec *jx.Decoder, o *object, inList bool) error {
	it, err := dec.ArrIter()
	if err != nil {
		return err
	}
	for it.Next() {
		if dec.Next() == jx.Object {
			if err := d.object(dec, o, inList); err != nil {
				return err
			}
			continue
		}
		if err := dec.Skip(); err != nil {
			return err
		}
		d.reject(ReasonWrongType, "items", nil)
	}
	return it.Err()
}

// object reads one object and disposes of it.
func (d *Decoder) object(dec *jx.Decoder, o *object, inList bool) error {
	if !inList {
		// Within a list the scratch may hold the list's own kind.
		d.scratch = d.scratch[:0]
	}
	mark := len(d.scratch)
	o.reset()
	it, err := dec.ObjIter()
	if err != nil {
		return err
	}
	for it.Next() {
		key := it.Key()
		if !inList && string(key) == "items" {
			err = d.items(dec, o)
		} else {
			err = d.field(dec, o, key)
		}
		if err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	err = d.finish(o, inList)
	d.scratch = d.scratch[:mark]
	return err
}

// items reads the items of a list at once when it is known to be one, so that
// a list that breaks off loses only its end. Otherwise they wait for the kind.
func (d *Decoder) items(dec *jx.Decoder, o *object) error {
	switch {
	case o.listed || o.items != nil:
		o.repeated = true
		return dec.Skip()
	case dec.Next() == jx.Array && o.kind == kindList && supported(o.apiVersion):
		o.listed = true
		return d.events(dec, &d.inner, true)
	default:
		raw, err := dec.Raw()
		o.items = raw
		return err
	}
}

// finish emits, filters or rejects the object that was read.
func (d *Decoder) finish(o *object, inList bool) error {
	switch {
	case o.listed || o.kind == kindList && !inList:
		return d.finishList(o)
	case o.bad != ReasonNone:
		d.reject(o.bad, o.badField, nil)
	case o.kind != kindEvent && !(inList && o.kind == ""), // an item of a list has the list's kind
		!supported(o.apiVersion) && !(inList && o.apiVersion == ""):
		d.reject(ReasonUnsupportedKind, "", nil)
	default:
		d.finishEvent(o)
	}
	return nil
}

// finishList reads the items that have waited. Nothing but the items of a list
// matters: it is not an event itself.
func (d *Decoder) finishList(o *object) error {
	if o.repeated {
		d.reject(ReasonWrongType, "items", nil)
	}
	switch {
	case o.listed:
		return nil
	case !supported(o.apiVersion):
		d.reject(ReasonUnsupportedKind, "", nil)
		return nil
	case o.items == nil:
		return nil
	}
	d.deferred.ResetBytes(o.items)
	switch d.deferred.Next() {
	case jx.Array:
		return d.events(&d.deferred, &d.inner, true)
	case jx.Null:
	default:
		d.reject(ReasonWrongType, "items", nil)
	}
	return nil
}

// finishEvent completes and emits a well-formed event.
func (d *Decoder) finishEvent(o *object) {
	e := &o.event
	if o.stage == "" {
		d.reject(ReasonMissingField, "stage", nil)
		return
	}
	if !o.hasObjectRef {
		e.Resource = fingerprint.Resource{Path: withoutQuery(o.requestURI)}
	}
	emit, rule, known := d.disposition(o.stage, e)
	switch {
	case !known:
		d.reject(ReasonUnknownStage, "stage", nil)
		return
	case !emit:
		d.result.Filtered[rule]++
		return
	case e.Verb == "":
		d.reject(ReasonMissingField, "verb", nil)
		return
	case e.Resource.Name == "" && e.Resource.Path == "":
		d.reject(ReasonMissingField, "requestURI", nil)
		return
	}
	if reason, field := o.setTime(); reason != ReasonNone {
		d.reject(reason, field, nil)
		return
	}
	d.finishWrite(o)
	d.clean(e)
	d.attributes(o)
	d.result.Truncated += o.cutLists
	d.result.Emitted++
	if o.stage == "ResponseStarted" {
		d.result.LongRunning++
	}
	d.emit(e)
}

func (d *Decoder) reject(reason Reason, field string, cause error) {
	d.result.Rejected[reason]++
	if d.err == nil {
		d.err = &RejectError{Reason: reason, Field: field, Err: cause}
	}
}
