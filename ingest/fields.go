package ingest

import (
	"strings"

	"github.com/go-faster/jx"

	"github.com/logcluster/logcluster/fingerprint"
)

const (
	kindEvent = "Event"
	kindList  = "EventList"

	annotationDecision = "authorization.k8s.io/decision"
	annotationReason   = "authorization.k8s.io/reason"
)

func supported(apiVersion string) bool {
	return apiVersion == "audit.k8s.io/v1" || apiVersion == "audit.k8s.io/v1beta1"
}

// object is what is kept of one JSON object of a record while it is read.
type object struct {
	event fingerprint.Event

	kind, apiVersion, stage string
	requestURI              string
	stageTime, receivedTime string
	hasObjectRef            bool
	cutLists                int // lists of groups that were cut

	// request and response are the bodies, unread, when they are JSON objects.
	request, response jx.Raw
	// values are what was found of the wanted attributes, in their order, and
	// actingValues of those that are extra fields of the impersonated user.
	values, actingValues []string

	// items are the unread items of a list whose kind is not known yet;
	// listed says that they have been read; repeated, that there were more.
	items            jx.Raw
	listed, repeated bool

	// bad is the first thing found wrong that leaves the JSON intact.
	bad      Reason
	badField string
}

// reset forgets the last object but keeps the memory of its lists.
func (o *object) reset() {
	groups, acting, attributes := o.event.Groups[:0], o.event.ActingGroups[:0], o.event.Attributes[:0]
	values, actingValues := o.values, o.actingValues
	clear(values)
	clear(actingValues)
	*o = object{values: values, actingValues: actingValues}
	o.event.Groups, o.event.ActingGroups, o.event.Attributes = groups, acting, attributes
}

func (o *object) fail(reason Reason, field string) {
	if o.bad == ReasonNone {
		o.bad, o.badField = reason, field
	}
}

// field reads the value of one key of an event.
func (d *Decoder) field(dec *jx.Decoder, o *object, key []byte) error {
	switch string(key) {
	case "kind":
		return d.string(dec, o, &o.kind, "kind")
	case "apiVersion":
		return d.string(dec, o, &o.apiVersion, "apiVersion")
	case "stage":
		return d.string(dec, o, &o.stage, "stage")
	case "auditID":
		return d.string(dec, o, &o.event.ID, "auditID")
	case "verb":
		return d.string(dec, o, &o.event.Verb, "verb")
	case "requestURI":
		return d.string(dec, o, &o.requestURI, "requestURI")
	case "userAgent":
		return d.string(dec, o, &o.event.UserAgent, "userAgent")
	case "stageTimestamp":
		return d.string(dec, o, &o.stageTime, "stageTimestamp")
	case "requestReceivedTimestamp":
		return d.string(dec, o, &o.receivedTime, "requestReceivedTimestamp")
	case "sourceIPs":
		return d.firstOf(dec, o, &o.event.Source, "sourceIPs")
	case "user":
		return d.user(dec, o, &o.event.User, &o.event.Groups, o.values, "user")
	case "impersonatedUser":
		return d.user(dec, o, &o.event.ActingAs, &o.event.ActingGroups, o.actingValues, "impersonatedUser")
	case "objectRef":
		return d.objectRef(dec, o)
	case "responseStatus":
		return d.responseStatus(dec, o)
	case "annotations":
		return d.annotations(dec, o)
	case "requestObject":
		return keepBody(dec, &o.request)
	case "responseObject":
		return keepBody(dec, &o.response)
	default:
		return dec.Skip()
	}
}

// withoutSpace returns a value without the white space before it, which
// [jx.Decoder.Raw] may leave there.
func withoutSpace(raw jx.Raw) jx.Raw {
	for len(raw) > 0 && raw[0] <= ' ' {
		raw = raw[1:]
	}
	return raw
}

// string reads a string; null empties it.
func (d *Decoder) string(dec *jx.Decoder, o *object, into *string, field string) error {
	literal, err := dec.Raw()
	if err != nil {
		return err
	}
	literal = withoutSpace(literal)
	switch literal[0] {
	case '"':
		*into = d.text(literal)
	case 'n':
		*into = ""
	default:
		o.fail(ReasonWrongType, field)
	}
	return nil
}

// enter begins an object that may be null. It returns false, and has skipped
// the value, if there is none to iterate over.
func (d *Decoder) enter(dec *jx.Decoder, o *object, field string) (it jx.ObjIter, ok bool, err error) {
	switch dec.Next() {
	case jx.Object:
		it, err = dec.ObjIter()
		return it, err == nil, err
	case jx.Null:
	default:
		o.fail(ReasonWrongType, field)
	}
	return it, false, dec.Skip()
}

// enterArray is [Decoder.enter] for an array.
func (d *Decoder) enterArray(dec *jx.Decoder, o *object, field string) (it jx.ArrIter, ok bool, err error) {
	switch dec.Next() {
	case jx.Array:
		it, err = dec.ArrIter()
		return it, err == nil, err
	case jx.Null:
	default:
		o.fail(ReasonWrongType, field)
	}
	return it, false, dec.Skip()
}

func (d *Decoder) user(dec *jx.Decoder, o *object, name *string, groups *[]string, extra []string, field string) error {
	*name, *groups = "", (*groups)[:0]
	d.forgetExtra(extra)
	it, ok, err := d.enter(dec, o, field)
	if !ok {
		return err
	}
	for it.Next() {
		switch key := it.Key(); {
		case string(key) == "username":
			err = d.string(dec, o, name, field)
		case string(key) == "groups":
			err = d.groups(dec, o, groups, field)
		case d.wantExtra && string(key) == "extra":
			err = d.extra(dec, o, extra, field)
		default:
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

func (d *Decoder) groups(dec *jx.Decoder, o *object, groups *[]string, field string) error {
	*groups = (*groups)[:0]
	it, ok, err := d.enterArray(dec, o, field)
	if !ok {
		return err
	}
	cut := false
	for it.Next() {
		var group string
		if err := d.string(dec, o, &group, field); err != nil {
			return err
		}
		if len(*groups) == d.cfg.MaxGroups {
			cut = true
			continue
		}
		*groups = append(*groups, group)
	}
	if cut {
		o.cutLists++
	}
	return it.Err()
}

// firstOf reads the first string of an array of strings.
func (d *Decoder) firstOf(dec *jx.Decoder, o *object, into *string, field string) error {
	*into = ""
	it, ok, err := d.enterArray(dec, o, field)
	if !ok {
		return err
	}
	for first := true; it.Next(); first = false {
		if first {
			err = d.string(dec, o, into, field)
		} else {
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

func (d *Decoder) objectRef(dec *jx.Decoder, o *object) error {
	r := &o.event.Resource
	*r, o.hasObjectRef = fingerprint.Resource{}, false
	it, ok, err := d.enter(dec, o, "objectRef")
	if !ok {
		return err
	}
	o.hasObjectRef = true
	for it.Next() {
		switch string(it.Key()) {
		case "resource":
			err = d.string(dec, o, &r.Name, "objectRef.resource")
		case "apiGroup":
			err = d.string(dec, o, &r.Group, "objectRef.apiGroup")
		case "subresource":
			err = d.string(dec, o, &r.Subresource, "objectRef.subresource")
		case "namespace":
			err = d.string(dec, o, &r.Namespace, "objectRef.namespace")
		case "name":
			err = d.string(dec, o, &r.Object, "objectRef.name")
		default:
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

func (d *Decoder) responseStatus(dec *jx.Decoder, o *object) error {
	o.event.Code = 0
	it, ok, err := d.enter(dec, o, "responseStatus")
	if !ok {
		return err
	}
	for it.Next() {
		if string(it.Key()) == "code" {
			err = d.code(dec, o)
		} else {
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

// code reads an HTTP status: null or an integer of 0 to 999.
func (d *Decoder) code(dec *jx.Decoder, o *object) error {
	o.event.Code = 0
	kind := dec.Next()
	literal, err := dec.Raw()
	if err != nil || kind == jx.Null {
		return err
	}
	code := 0
	for _, c := range literal {
		if c < '0' || c > '9' || code > 99 {
			o.fail(ReasonWrongType, "responseStatus.code")
			return nil
		}
		code = code*10 + int(c-'0')
	}
	o.event.Code = code
	return nil
}

func (d *Decoder) annotations(dec *jx.Decoder, o *object) error {
	e := &o.event
	e.Decision, e.Reason = fingerprint.DecisionUnknown, ""
	d.forgetAnnotations(o)
	it, ok, err := d.enter(dec, o, "annotations")
	if !ok {
		return err
	}
	for it.Next() {
		wanted := d.annotation(o, it.Key())
		switch string(it.Key()) {
		case annotationDecision:
			var decision string
			err = d.string(dec, o, &decision, "annotations.decision")
			e.Decision = decisionOf(decision)
			if wanted != nil {
				*wanted = decision
			}
		case annotationReason: // where it is wanted, it is taken from the event
			err = d.string(dec, o, &e.Reason, "annotations.reason")
		default:
			if wanted != nil {
				err = d.string(dec, o, wanted, "annotations")
			} else {
				err = dec.Skip()
			}
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

func decisionOf(s string) fingerprint.Decision {
	switch s {
	case "allow":
		return fingerprint.DecisionAllow
	case "forbid":
		return fingerprint.DecisionForbid
	default:
		return fingerprint.DecisionUnknown
	}
}

func withoutQuery(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// setTime sets the time and the latency of the event: the stage's time, or
// that of the request's arrival where the stage has none.
func (o *object) setTime() (Reason, string) {
	e := &o.event
	e.Latency = -1
	received, ok := int64(0), false
	if o.receivedTime != "" {
		if received, ok = parseTimestamp(o.receivedTime); !ok {
			return ReasonBadTimestamp, "requestReceivedTimestamp"
		}
	}
	if o.stageTime == "" {
		if !ok {
			return ReasonMissingField, "stageTimestamp"
		}
		e.Time = received
		return ReasonNone, ""
	}
	stage, valid := parseTimestamp(o.stageTime)
	if !valid {
		return ReasonBadTimestamp, "stageTimestamp"
	}
	e.Time = stage
	if ok && stage >= received {
		e.Latency = stage - received
	}
	return ReasonNone, ""
}

// clean masks secrets in the text of an event and cuts it to the limits. The
// names of subjects are who acted and are not masked.
func (d *Decoder) clean(e *fingerprint.Event) {
	e.User, e.ActingAs = d.cut(e.User), d.cut(e.ActingAs)
	r := &e.Resource
	for _, text := range [...]*string{
		&e.ID, &e.Verb, &e.Reason, &e.Source, &e.UserAgent,
		&r.Group, &r.Name, &r.Subresource, &r.Namespace, &r.Object, &r.Path,
	} {
		*text = d.cut(d.redact(*text))
	}
	for _, groups := range [...][]string{e.Groups, e.ActingGroups} {
		for i, group := range groups {
			groups[i] = d.cut(d.redact(group))
		}
	}
}
