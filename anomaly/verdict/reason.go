package verdict

import "strings"

// Kind is what keeps people from being told.
type Kind uint8

// The kinds.
const (
	ByVerdict Kind = iota
	BySuppression
	ByMaintenance
	NumKinds
)

var kindNames = [NumKinds]string{"expected", "suppression", "maintenance"}

// String returns the name of the kind in metrics and texts.
func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return "unknown"
}

// reason is why nobody is told.
type reason struct {
	kind        Kind
	id          string
	comment, by string
}

// text says it in a few words: expected (9f0c2d6be1a45d01): quarterly restore, by alice.
func (r reason) text() string {
	if r.id == "" {
		return ""
	}
	var s strings.Builder
	s.WriteString(r.kind.String() + " (" + r.id + ")")
	if r.comment != "" {
		s.WriteString(": " + r.comment)
	}
	if r.by != "" {
		s.WriteString(", by " + r.by)
	}
	return s.String()
}
