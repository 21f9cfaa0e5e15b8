package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// oracle decodes a record the slow and obvious way: encoding/json into maps.
// It speaks of the rules of the format, not of how to read fast.
type oracle struct {
	cfg    Config
	events []fingerprint.Event
	result Result
}

// decode returns false if the record is not JSON from end to end, repeats a key,
// or has something next to a number with no space between, about which it has
// no opinion.
func (o *oracle) decode(value []byte) bool {
	switch {
	case len(value) > o.cfg.MaxRecordBytes:
		o.result.Rejected[ReasonTooLarge]++
		return true
	case depthOf(value) > o.cfg.MaxDepth:
		o.result.Rejected[ReasonTooDeep]++
		return true
	case repeatsKey(value):
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	for n := 0; ; n++ {
		var v any
		err := decoder.Decode(&v)
		if errors.Is(err, io.EOF) {
			if n == 0 {
				o.result.Rejected[ReasonEmpty]++
			}
			return true
		}
		if err != nil {
			return false
		}
		if end := decoder.InputOffset(); isNumber(v) && int(end) < len(value) && !bytes.ContainsRune([]byte(" \t\r\n"), rune(value[end])) {
			return false
		}
		o.topLevel(v)
	}
}

func isNumber(v any) bool {
	_, ok := v.(json.Number)
	return ok
}

func (o *oracle) topLevel(v any) {
	switch v := v.(type) {
	case map[string]any:
		o.object(v, false)
	case []any:
		for _, item := range v {
			o.item(item, false)
		}
	default:
		o.result.Rejected[ReasonWrongType]++
	}
}

func (o *oracle) item(v any, inList bool) {
	if m, ok := v.(map[string]any); ok {
		o.object(m, inList)
	} else {
		o.result.Rejected[ReasonWrongType]++
	}
}

// reader reads fields of maps and remembers whether one had the wrong type.
type reader struct{ wrong bool }

func (r *reader) text(m map[string]any, key string) string {
	switch v := m[key].(type) {
	case nil:
	case string:
		return v
	default:
		r.wrong = true
	}
	return ""
}

func (r *reader) object(m map[string]any, key string) map[string]any {
	switch v := m[key].(type) {
	case nil:
	case map[string]any:
		return v
	default:
		r.wrong = true
	}
	return nil
}

func (r *reader) texts(m map[string]any, key string, most int) []string {
	var list []string
	switch v := m[key].(type) {
	case nil:
	case []any:
		for i, item := range v {
			if i < most {
				list = append(list, r.text(map[string]any{"": item}, ""))
			}
		}
	default:
		r.wrong = true
	}
	return list
}

func isAudit(version string) bool {
	return version == "audit.k8s.io/v1" || version == "audit.k8s.io/v1beta1"
}

func (o *oracle) object(m map[string]any, inList bool) {
	var r reader
	kind, version := r.text(m, "kind"), r.text(m, "apiVersion")
	e, stage, received, staged := o.event(m, &r)
	attributes := o.attributes(m, &r)
	if kind == "EventList" && !inList {
		o.list(m, version)
		return
	}
	reject := func(reason Reason) { o.result.Rejected[reason]++ }
	long := slices.Contains([]string{"watch", "proxy"}, e.Verb) ||
		slices.Contains([]string{"exec", "attach", "portforward", "proxy", "log"}, e.Resource.Subresource) ||
		strings.HasPrefix(e.Resource.Path, "/debug/pprof/")
	switch {
	case r.wrong:
		reject(ReasonWrongType)
	case kind != "Event" && (kind != "" || !inList), !isAudit(version) && (version != "" || !inList):
		reject(ReasonUnsupportedKind)
	case stage == "":
		reject(ReasonMissingField)
	case stage == "RequestReceived":
		o.result.Filtered[RuleRequestReceived]++
	case stage == "ResponseStarted" && !long:
		o.result.Filtered[RuleResponseStarted]++
	case (stage == "ResponseComplete" || stage == "Panic") && long:
		o.result.Filtered[RuleLongRunningEnded]++
	case stage != "ResponseStarted" && stage != "ResponseComplete" && stage != "Panic":
		reject(ReasonUnknownStage)
	case e.Verb == "", e.Resource.Name == "" && e.Resource.Path == "":
		reject(ReasonMissingField)
	case received == nil && staged == nil:
		reject(ReasonMissingField)
	case badTime(received), badTime(staged):
		reject(ReasonBadTimestamp)
	default:
		writes(m, stage, &e)
		o.emit(e, attributes, stage, received, staged)
	}
}

// writes sets what only writes have.
func writes(m map[string]any, stage string, e *fingerprint.Event) {
	if !slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb) {
		return
	}
	uri, _ := m["requestURI"].(string)
	_, query, _ := strings.Cut(uri, "?")
	values, _ := url.ParseQuery(query) // what is not well-formed is left out
	asked := slices.Contains(values["dryRun"], "All")
	request, _ := m["requestObject"].(map[string]any)
	response, _ := m["responseObject"].(map[string]any)
	if strings.HasPrefix(e.Verb, "delete") {
		options, _ := request["dryRun"].([]any)
		asked = slices.Contains(options, any("All")) || request == nil && response != nil && asked
	}
	stored := []string{"", "approval", "binding", "ephemeralcontainers", "eviction", "finalize", "resize", "scale", "status"}
	e.DryRun = asked && e.Resource.Name != "" && slices.Contains(stored, e.Resource.Subresource)
	kinds := []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"}
	if !e.DryRun && stage == "ResponseComplete" && e.Code/100 == 2 && response != nil &&
		e.Resource.Group == "rbac.authorization.k8s.io" && e.Resource.Subresource == "" && slices.Contains(kinds, e.Resource.Name) {
		e.Object, _ = json.Marshal(response)
	}
}

// attributes reads the configured attributes that are not among the fields of
// every event.
func (o *oracle) attributes(m map[string]any, r *reader) map[string]string {
	found := map[string]string{}
	user, acting := r.object(m, "user"), r.object(m, "impersonatedUser")
	for _, name := range o.cfg.Attributes {
		if key, ok := strings.CutPrefix(name, "annotations/"); ok {
			found[name] = r.text(r.object(m, "annotations"), key)
		}
		key, ok := strings.CutPrefix(name, "extra/")
		if !ok {
			continue
		}
		first := func(values []string) string { return strings.Join(values, "") } // of one or none
		own := first(r.texts(r.object(user, "extra"), key, 1))
		found[name] = first(r.texts(r.object(acting, "extra"), key, 1))
		if name, _ := acting["username"].(string); name == "" {
			found["extra/"+key] = own
		}
	}
	return found
}

func (o *oracle) list(m map[string]any, version string) {
	items, isArray := m["items"].([]any)
	switch {
	case !isAudit(version):
		o.result.Rejected[ReasonUnsupportedKind]++
	case m["items"] != nil && !isArray:
		o.result.Rejected[ReasonWrongType]++
	}
	if isAudit(version) {
		for _, item := range items {
			o.item(item, true)
		}
	}
}

var status = regexp.MustCompile(`^\d{1,3}$`)

func (o *oracle) event(m map[string]any, r *reader) (e fingerprint.Event, stage string, received, staged *string) {
	stage = r.text(m, "stage")
	e.ID, e.Verb, e.UserAgent = r.text(m, "auditID"), r.text(m, "verb"), r.text(m, "userAgent")
	user, acting := r.object(m, "user"), r.object(m, "impersonatedUser")
	e.User, e.Groups = r.text(user, "username"), r.texts(user, "groups", 1<<30)
	e.ActingAs, e.ActingGroups = r.text(acting, "username"), r.texts(acting, "groups", 1<<30)
	if ips := r.texts(m, "sourceIPs", 1); len(ips) > 0 {
		e.Source = ips[0]
	}
	uri := r.text(m, "requestURI")
	if ref := r.object(m, "objectRef"); ref != nil {
		e.Resource = fingerprint.Resource{
			Name: r.text(ref, "resource"), Group: r.text(ref, "apiGroup"), Subresource: r.text(ref, "subresource"),
			Namespace: r.text(ref, "namespace"), Object: r.text(ref, "name"),
		}
	} else {
		e.Resource.Path = strings.SplitN(uri, "?", 2)[0]
	}
	switch code := r.object(m, "responseStatus")["code"].(type) {
	case nil:
	case json.Number:
		if !status.MatchString(code.String()) {
			r.wrong = true
		}
		n, _ := code.Int64()
		e.Code = int(n)
	default:
		r.wrong = true
	}
	annotations := r.object(m, "annotations")
	e.Decision = decisionOf(r.text(annotations, "authorization.k8s.io/decision"))
	e.Reason = r.text(annotations, "authorization.k8s.io/reason")
	if s := r.text(m, "requestReceivedTimestamp"); s != "" {
		received = &s
	}
	if s := r.text(m, "stageTimestamp"); s != "" {
		staged = &s
	}
	return e, stage, received, staged
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// parse reads RFC 3339, about which the standard library alone is too generous.
func parse(s string) (nanos int64, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !rfc3339.MatchString(s) || t.Year() < 1970 || t.Year() > 2261 || t.Unix() < 0 {
		return 0, false
	}
	return t.UnixNano(), true
}

func badTime(s *string) bool {
	if s == nil {
		return false
	}
	_, ok := parse(*s)
	return !ok
}

func (o *oracle) emit(e fingerprint.Event, attributes map[string]string, stage string, received, staged *string) {
	e.Latency = -1
	if received != nil {
		e.Time, _ = parse(*received)
	}
	if staged != nil {
		at, _ := parse(*staged)
		if received != nil && at >= e.Time {
			e.Latency = at - e.Time
		}
		e.Time = at
	}
	for _, groups := range []*[]string{&e.Groups, &e.ActingGroups} {
		if len(*groups) > o.cfg.MaxGroups {
			*groups = (*groups)[:o.cfg.MaxGroups]
			o.result.Truncated++
		}
	}
	// Masking and cutting have tests of their own.
	d := Decoder{cfg: o.cfg}
	d.clean(&e)
	for _, name := range o.cfg.Attributes {
		value := map[string]string{"source": e.Source, "user_agent": e.UserAgent, "annotations/authorization.k8s.io/reason": e.Reason}[name]
		if value == "" {
			value = d.cut(d.redact(attributes[name]))
		}
		if value != "" {
			e.Attributes = append(e.Attributes, fingerprint.Attribute{Name: name, Value: value})
		}
	}
	o.result.Truncated += d.result.Truncated
	o.result.Redacted += d.result.Redacted
	o.result.Emitted++
	if stage == "ResponseStarted" {
		o.result.LongRunning++
	}
	o.events = append(o.events, e)
}

// depthOf returns the nesting of a text up to where it is not JSON.
func depthOf(text []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// repeatsKey reports whether an object of the text has a key twice.
func repeatsKey(text []byte) bool {
	type level struct {
		keys  map[string]bool // nil in an array
		value bool            // in an object: a value comes next
	}
	var stack []level
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		top := len(stack) - 1
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			top--
		default:
			if key, ok := token.(string); ok && top >= 0 && stack[top].keys != nil && !stack[top].value {
				if stack[top].keys[key] {
					return true
				}
				stack[top].keys[key] = true
				stack[top].value = true
				continue
			}
		}
		if top >= 0 {
			stack[top].value = false
		}
	}
}
