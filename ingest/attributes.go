package ingest

import (
	"fmt"
	"strings"

	"github.com/go-faster/jx"

	"github.com/logcluster/logcluster/fingerprint"
)

// The forms of the names of attributes; see [Config.Attributes].
const (
	annotationPrefix   = "annotations/"
	extraPrefix        = "extra/"
	attributeUserAgent = "user_agent"
	attributeSource    = "source"
)

// wantedAttribute is a configured attribute, taken apart.
type wantedAttribute struct {
	name string
	// annotation or extra is the key beneath the prefix; with neither, the
	// attribute is a field that every event has.
	annotation, extra string
}

func parseAttribute(name string) (wantedAttribute, error) {
	w := wantedAttribute{name: name}
	if key, ok := strings.CutPrefix(name, annotationPrefix); ok && key != "" {
		w.annotation = key
		return w, nil
	}
	if key, ok := strings.CutPrefix(name, extraPrefix); ok && key != "" {
		w.extra = key
		return w, nil
	}
	if name == attributeUserAgent || name == attributeSource {
		return w, nil
	}
	return w, fmt.Errorf("attributes: %q is none of %s<key>, %s<key>, %s and %s",
		name, annotationPrefix, extraPrefix, attributeUserAgent, attributeSource)
}

// wantAttributes makes room for the configured attributes, which are valid.
func (d *Decoder) wantAttributes() {
	for _, name := range d.cfg.Attributes {
		w, _ := parseAttribute(name)
		d.wanted = append(d.wanted, w)
		d.wantExtra = d.wantExtra || w.extra != ""
	}
	for _, o := range []*object{&d.outer, &d.inner} {
		o.values, o.actingValues = make([]string, len(d.wanted)), make([]string, len(d.wanted))
	}
}

// annotation returns the place of a wanted annotation's value, or nil.
func (d *Decoder) annotation(o *object, key []byte) *string {
	for i := range d.wanted {
		if w := &d.wanted[i]; w.annotation != "" && w.annotation == string(key) {
			return &o.values[i]
		}
	}
	return nil
}

// forgetAnnotations empties the values of wanted annotations, for an event that
// has a second set of them.
func (d *Decoder) forgetAnnotations(o *object) {
	for i := range d.wanted {
		if d.wanted[i].annotation != "" {
			o.values[i] = ""
		}
	}
}

// extra reads the wanted keys of a user's extra fields, the first value of each.
func (d *Decoder) extra(dec *jx.Decoder, o *object, values []string, field string) error {
	d.forgetExtra(values)
	it, ok, err := d.enter(dec, o, field)
	if !ok {
		return err
	}
	for it.Next() {
		if into := d.extraValue(values, it.Key()); into != nil {
			err = d.firstOf(dec, o, into, field)
		} else {
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	return it.Err()
}

func (d *Decoder) extraValue(values []string, key []byte) *string {
	for i := range d.wanted {
		if w := &d.wanted[i]; w.extra != "" && w.extra == string(key) {
			return &values[i]
		}
	}
	return nil
}

func (d *Decoder) forgetExtra(values []string) {
	for i := range d.wanted {
		if d.wanted[i].extra != "" {
			values[i] = ""
		}
	}
}

// attributes gives the event what it has of the wanted attributes, in their
// order. The event's own text has been cleaned. Extra fields are those of the
// subject, the impersonated user where there is one.
func (d *Decoder) attributes(o *object) {
	e := &o.event
	for i := range d.wanted {
		w := &d.wanted[i]
		var value string
		switch {
		case w.extra != "" && e.ActingAs != "":
			value = d.cut(d.redact(o.actingValues[i]))
		case w.extra != "", w.annotation != "" && w.annotation != annotationReason:
			value = d.cut(d.redact(o.values[i]))
		case w.annotation == annotationReason:
			value = e.Reason
		case w.name == attributeUserAgent:
			value = e.UserAgent
		case w.name == attributeSource:
			value = e.Source
		}
		if value != "" {
			e.Attributes = append(e.Attributes, fingerprint.Attribute{Name: w.name, Value: value})
		}
	}
}
