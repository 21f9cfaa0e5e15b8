package ingest

import (
	"strings"

	"github.com/go-faster/jx"

	"github.com/logcluster/logcluster/fingerprint"
)

// keepBody skips a body and remembers where in the record it is: what it is the
// body of may come later. What is not an object is none.
func keepBody(dec *jx.Decoder, into *jx.Raw) error {
	*into = nil
	isObject := dec.Next() == jx.Object
	raw, err := dec.Raw()
	if isObject {
		*into = withoutSpace(raw)
	}
	return err
}

// finishWrite sets what only a write has: whether it was a dry run, and the
// RBAC object that it answered with.
//
// The object is handed on as it stands in the record, not redacted and not cut:
// it is there to be parsed, by someone who keeps names, rules and subjects of
// it and nothing else. An RBAC object can carry secrets like any other, in an
// annotation that repeats the manifest (kubectl's last-applied-configuration),
// and those go where all bodies go: nowhere.
func (d *Decoder) finishWrite(o *object) {
	e := &o.event
	if !isWrite(e.Verb) {
		return
	}
	e.DryRun = d.dryRun(o)
	if o.stage == "ResponseComplete" && e.Code >= 200 && e.Code < 300 && !e.DryRun && isRBAC(&e.Resource) {
		e.Object = o.response
	}
}

func isWrite(verb string) bool {
	switch verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

func isRBAC(r *fingerprint.Resource) bool {
	if r.Group != "rbac.authorization.k8s.io" || r.Subresource != "" {
		return false
	}
	switch r.Name {
	case "roles", "clusterroles", "rolebindings", "clusterrolebindings":
		return true
	}
	return false
}

// dryRun reports whether a write is known to have changed nothing because it
// asked for that. Whoever adds dryRun=All to a request that does not know it
// must not become invisible by that, so:
//
//   - only writes to objects count, and to those subresources of Kubernetes'
//     own that are stored: exec, proxy, token and the like act all the same;
//   - a delete takes its options from its body where it has one, and from the
//     query only where it has none. Without the bodies in the record
//     nobody knows which, and it counts as a delete.
func (d *Decoder) dryRun(o *object) bool {
	e := &o.event
	if e.Resource.Name == "" || !storedSubresource(e.Resource.Subresource) {
		return false
	}
	if e.Verb == "delete" || e.Verb == "deletecollection" {
		if o.request != nil {
			return d.optionsDryRun(o.request)
		}
		if o.response == nil {
			return false
		}
		// The level has bodies, and the request had none.
	}
	return queryHas(o.requestURI, "dryRun", "All")
}

func storedSubresource(name string) bool {
	switch name {
	case "", "approval", "binding", "ephemeralcontainers", "eviction", "finalize", "resize", "scale", "status":
		return true
	}
	return false
}

// optionsDryRun looks for dryRun: ["All"] in the body of a delete.
func (d *Decoder) optionsDryRun(options jx.Raw) (asked bool) {
	d.body.ResetBytes(options)
	it, err := d.body.ObjIter()
	for err == nil && it.Next() {
		if string(it.Key()) != "dryRun" {
			err = d.body.Skip()
			continue
		}
		asked, err = d.hasAll()
	}
	return asked
}

// hasAll reads an array and reports whether it has the string "All".
func (d *Decoder) hasAll() (found bool, err error) {
	if d.body.Next() != jx.Array {
		return false, d.body.Skip()
	}
	it, err := d.body.ArrIter()
	for err == nil && it.Next() {
		if d.body.Next() != jx.String {
			err = d.body.Skip()
			continue
		}
		var literal jx.Raw
		if literal, err = d.body.Raw(); err == nil {
			found = found || d.text(withoutSpace(literal)) == "All"
		}
	}
	return found, err
}

// queryHas reports whether the query of a request has the parameter with the
// value, once or among several, both escaped or not.
func queryHas(uri, name, value string) bool {
	_, query, _ := strings.Cut(uri, "?")
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, escaped, _ := strings.Cut(pair, "=")
		if unescapesTo(key, name) && unescapesTo(escaped, value) {
			return true
		}
	}
	return false
}

// unescapesTo reports whether text, escaped as in a query, stands for want,
// which has neither spaces nor bytes beyond ASCII.
func unescapesTo(text, want string) bool {
	for i := range len(want) {
		switch {
		case text == "":
			return false
		case text[0] == want[i] && text[0] != '%':
			text = text[1:]
		case len(text) >= 3 && text[0] == '%' && isHex(text[1]) && isHex(text[2]) && unhex(text[1])<<4|unhex(text[2]) == want[i]:
			text = text[3:]
		default:
			return false
		}
	}
	return text == ""
}

func isHex(c byte) bool { return c-'0' <= 9 || (c|0x20)-'a' < 6 }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
