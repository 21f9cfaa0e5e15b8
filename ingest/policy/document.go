package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	rbacv1 "k8s.io/api/rbac/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// document is one YAML document or JSON value of a file.
type document struct {
	text  []byte
	json  bool   // text is JSON, else YAML
	line  int    // where it begins, counted from 1
	where string // file and document, for errors
}

// splitDocuments splits a file into its documents: a stream of JSON values if
// it begins like one and parses so, else YAML at its document markers. Documents
// without content are left out.
func splitDocuments(data []byte) []document {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		if docs, err := splitJSON(data); err == nil {
			return docs
		}
	}
	return splitYAML(data)
}

func splitJSON(data []byte) ([]document, error) {
	var docs []document
	dec := json.NewDecoder(bytes.NewReader(data))
	line, at := 1, 0
	for {
		var v json.RawMessage
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return nil, fmt.Errorf("split JSON: %w", err)
		}
		start := int(dec.InputOffset()) - len(v)
		line += bytes.Count(data[at:start], []byte("\n"))
		at = start
		docs = append(docs, document{text: v, json: true, line: line})
	}
}

// splitYAML splits at lines that begin with "---" or "..."; inside a document
// no content may begin so. What follows the marker on its line belongs to the
// document.
func splitYAML(data []byte) []document {
	var docs []document
	begin, beginLine := 0, 1
	end := func(at int) {
		if text := data[begin:at]; hasContent(text) {
			docs = append(docs, document{text: text, line: beginLine})
		}
	}
	for at, line := 0, 1; at < len(data); line++ {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		if isMarker(data[at:next]) {
			end(at)
			begin, beginLine = at+len("---"), line
		}
		at = next
	}
	end(len(data))
	return docs
}

func isMarker(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) && !bytes.HasPrefix(line, []byte("...")) {
		return false
	}
	return len(line) == 3 || strings.IndexByte(" \t\r\n", line[3]) >= 0
}

// hasContent reports whether a document has more than comments, directives and
// empty lines.
func hasContent(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return true
		}
	}
	return false
}

// document decodes a document and keeps its RBAC objects.
func (l *loader) document(d document) {
	l.loaded.Documents++
	text := d.text
	if !d.json {
		var err error
		if text, err = toJSON(d.text); err != nil {
			l.problem(fmt.Errorf("%s: %w", d.where, err))
			return
		}
	}
	l.object(text, d.where, typeMeta{}, 0)
}

// toJSON turns YAML into JSON as kubectl does, but refuses a key that is there
// twice. The strict parser takes a merged key (<<) that is overridden for one;
// the other parser knows better.
func toJSON(text []byte) ([]byte, error) {
	out, err := yaml.YAMLToJSONStrict(text)
	if err != nil && yamlv3.Unmarshal(text, new(any)) == nil {
		return yaml.YAMLToJSON(text)
	}
	return out, err
}

// typeMeta says what an object is.
type typeMeta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// object keeps one RBAC object, or those of a list. The API server leaves out
// what the items of a typed list are: typ is what the list says of them.
func (l *loader) object(text []byte, where string, typ typeMeta, depth int) {
	var head struct {
		typeMeta
		Items json.RawMessage `json:"items"`
	}
	if err := unmarshalStrict(text, &head); err != nil {
		l.problem(fmt.Errorf("%s: read kind: %w", where, err))
		return
	}
	if head.Kind == "" {
		head.typeMeta = typ
	}
	if head.Kind == "" {
		l.problem(fmt.Errorf("%s: not a Kubernetes object: it has no kind", where))
		return
	}
	itemKind, isList := strings.CutSuffix(head.Kind, "List")
	if isList && head.Items != nil {
		l.list(head.Items, where, typeMeta{head.APIVersion, itemKind}, depth)
		return
	}
	if err := l.keep(text, head.typeMeta); err != nil {
		l.problem(fmt.Errorf("%s: %w", where, err))
	}
}

// list keeps the RBAC objects of a list.
func (l *loader) list(text []byte, where string, typ typeMeta, depth int) {
	if depth >= MaxDepth {
		l.problem(fmt.Errorf("%s: lists are nested more than %d deep", where, MaxDepth))
		return
	}
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		l.problem(fmt.Errorf("%s: read items: %w", where, err))
		return
	}
	for i, item := range items {
		l.object(item, fmt.Sprintf("%s: item %d", where, i+1), typ, depth+1)
	}
}

// keep decodes an RBAC object by its kind and counts any other.
func (l *loader) keep(text []byte, typ typeMeta) error {
	k, ok := kindNamed(&kindNames, typ.Kind)
	if !ok || typ.APIVersion != rbacv1.GroupName+"/v1" && typ.APIVersion != rbacv1.GroupName+"/v1beta1" {
		if l.loaded.Skipped == nil {
			l.loaded.Skipped = map[string]int{}
		}
		l.loaded.Skipped[typ.APIVersion+"/"+typ.Kind]++
		return nil
	}
	c, err := k.decode(func(into any) error { return unmarshalStrict(text, into) })
	if err != nil {
		return err
	}
	o := &l.loaded.Objects
	switch k {
	case kindRole:
		o.Roles = append(o.Roles, *c.Role)
	case kindClusterRole:
		o.ClusterRoles = append(o.ClusterRoles, *c.ClusterRole)
	case kindRoleBinding:
		o.RoleBindings = append(o.RoleBindings, *c.RoleBinding)
	default:
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, *c.ClusterRoleBinding)
	}
	return nil
}

// unmarshalStrict decodes JSON as the API server does, with case-sensitive
// names, and refuses a field that is there twice: nobody knows which is meant.
func unmarshalStrict(text []byte, into any) error {
	twice, err := kjson.UnmarshalStrict(text, into, kjson.DisallowDuplicateFields)
	return errors.Join(append(twice, err)...)
}
