package fingerprint

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// MappingRule tells the role of those whom all of its patterns match. Patterns
// are regular expressions (RE2, in which . matches every character) that must match
// the whole text; an empty one
// matches everything.
type MappingRule struct {
	// User is matched with the subject's name (of the impersonated user, where
	// there is one).
	User string `yaml:"user"`
	// Group is matched with each of the subject's groups, in order; the first
	// that matches counts. A subject without groups never matches.
	Group string `yaml:"group"`
	// Namespace is matched with the namespace of what was acted on, which is
	// empty for what lies in none.
	Namespace string `yaml:"namespace"`
	// Attributes are matched with further fields of the record, by name: for
	// audit events "annotations/<key>", "extra/<key>" (its first value),
	// "user_agent" or "source". A record without the field never matches.
	Attributes map[string]string `yaml:"attributes"`
	// Role is the role: text, in which ${name} stands for what the named group
	// (?P<name>…) of one of the patterns has matched. The role key is
	// "mapped:" and the role.
	Role string `yaml:"role"`
}

// maxMappingRules bounds a mapping: its rules are tried one after the other.
const maxMappingRules = 1000

// Mapping is a list of rules, of which the first that matches tells the role.
// It is immutable and safe for concurrent use. A nil *Mapping has no rules.
type Mapping struct {
	rules      []rule
	attributes []string
}

type rule struct {
	user, group, namespace *regexp.Regexp // nil matches everything
	attributes             []attributeRule
	role                   []part
}

type attributeRule struct {
	name    string
	pattern *regexp.Regexp
}

// part is a piece of a role: fixed text, or else the group of a pattern.
type part struct {
	text, group string
}

// NewMapping compiles rules. The error names every rule that is wrong, as
// "[2].user: …" counted from 0.
func NewMapping(rules []MappingRule) (*Mapping, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	if len(rules) > maxMappingRules {
		return nil, fmt.Errorf("has %d rules, more than %d", len(rules), maxMappingRules)
	}
	m := &Mapping{}
	var problems []error
	for i := range rules {
		compiled, err := compile(&rules[i])
		if err != nil {
			problems = append(problems, fmt.Errorf("[%d].%w", i, err))
			continue
		}
		m.rules = append(m.rules, *compiled)
		for _, a := range compiled.attributes {
			if !slices.Contains(m.attributes, a.name) {
				m.attributes = append(m.attributes, a.name)
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	slices.Sort(m.attributes)
	return m, nil
}

// Attributes are the names of the further fields that the rules look at,
// ascending. A decoder has to be told to keep them.
func (m *Mapping) Attributes() []string {
	if m == nil {
		return nil
	}
	return slices.Clone(m.attributes)
}

func compile(r *MappingRule) (*rule, error) {
	var out rule
	groups := map[string]string{} // by the pattern that has it
	for _, p := range []struct {
		field   string
		pattern string
		into    **regexp.Regexp
	}{{"user", r.User, &out.user}, {"group", r.Group, &out.group}, {"namespace", r.Namespace, &out.namespace}} {
		if p.pattern == "" {
			continue
		}
		re, err := pattern(p.field, p.pattern, groups)
		if err != nil {
			return nil, err
		}
		*p.into = re
	}
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		re, err := pattern("attributes."+name, r.Attributes[name], groups)
		if err != nil {
			return nil, err
		}
		out.attributes = append(out.attributes, attributeRule{name, re})
	}
	if out.user == nil && out.group == nil && out.namespace == nil && len(out.attributes) == 0 {
		return nil, errors.New("role: the rule has no pattern: it would hold for everybody")
	}
	var err error
	out.role, err = template(r.Role, groups)
	return &out, err
}

// pattern compiles one pattern, and notes its named groups.
func pattern(field, text string, groups map[string]string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(`\A(?s:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	for _, name := range re.SubexpNames() {
		if name == "" {
			continue
		}
		if other, again := groups[name]; again {
			return nil, fmt.Errorf("%s: the group %q is in %s already", field, name, other)
		}
		groups[name] = field
	}
	return re, nil
}

// template splits a role at its ${name} references.
func template(text string, groups map[string]string) ([]part, error) {
	if text == "" {
		return nil, errors.New("role: is empty")
	}
	var parts []part
	for rest := text; rest != ""; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			return append(parts, part{text: rest}), nil
		}
		if at > 0 {
			parts = append(parts, part{text: rest[:at]})
		}
		name, after, ok := strings.Cut(strings.TrimPrefix(rest[at:], "$"), "}")
		name, braced := strings.CutPrefix(name, "{")
		if !ok || !braced {
			return nil, fmt.Errorf("role: %q has a $ that does not begin ${name}", text)
		}
		if _, known := groups[name]; !known {
			return nil, fmt.Errorf("role: no pattern has a group (?P<%s>…)", name)
		}
		parts = append(parts, part{group: name})
		rest = after
	}
	return parts, nil
}

// roleMapped precedes the role of a mapping, so that none can be mistaken for a
// role that a policy binds.
const roleMapped = "mapped:"

// role returns the role key of an event by the first rule that matches, empty
// when none does.
func (m *Mapping) role(e *Event) string {
	user, groups := e.Subject()
	for i := range m.rules {
		matched := map[string]string{}
		if !m.rules[i].matches(e, user, groups, matched) {
			continue
		}
		key := []byte(roleMapped)
		for _, p := range m.rules[i].role {
			text := p.text
			if p.group != "" {
				text = matched[p.group]
			}
			key = rbac.AppendName(key, text)
		}
		return string(key)
	}
	return ""
}

// matches reports whether all patterns of the rule match, and notes what their
// named groups are.
func (r *rule) matches(e *Event, user string, groups []string, matched map[string]string) bool {
	if !match(r.user, user, matched) || !match(r.namespace, e.Resource.Namespace, matched) {
		return false
	}
	if r.group != nil && !slices.ContainsFunc(groups, func(g string) bool { return match(r.group, g, matched) }) {
		return false
	}
	for _, a := range r.attributes {
		at := slices.IndexFunc(e.Attributes, func(have Attribute) bool { return have.Name == a.name })
		if at < 0 || !match(a.pattern, e.Attributes[at].Value, matched) {
			return false
		}
	}
	return true
}

func match(re *regexp.Regexp, text string, matched map[string]string) bool {
	if re == nil {
		return true
	}
	found := re.FindStringSubmatch(text)
	if found == nil {
		return false
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			matched[name] = found[i]
		}
	}
	return true
}
