package alert

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Fact is one thing that explains an alert, as text for people.
type Fact struct {
	// Name is what it is about: description, subjects, objects, sources, new,
	// like, began, parts or evidence.
	Name string
	// Lines are never empty.
	Lines []string
}

// Explain says in lines what an alert was found by and what there is to look at:
// the driving features, who, on what, from where, what is new, the rest of the
// story and the evidence, in this order; what there is nothing of is left out.
// The text is as harmless as that of the [Alert].
func Explain(a *Alert) []Fact {
	var facts []Fact
	add := func(name string, lines []string) {
		if len(lines) > 0 {
			facts = append(facts, Fact{name, lines})
		}
	}
	add("description", each(a.Features, featureLine))
	add("subjects", each(a.Subjects, shareLine))
	add("objects", each(a.Objects, shareLine))
	add("sources", each(a.Sources, shareLine))
	add("new", each(a.New, News))
	if a.Like != "" {
		add("like", []string{a.Like})
	}
	if a.BeganAt != nil {
		add("began", []string{a.BeganAt.Format(time.RFC3339)})
	}
	parts := each(a.Parts, partLine)
	if a.PartsCut > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", a.PartsCut))
	}
	add("parts", parts)
	add("evidence", each(a.Evidence, evidenceLine))
	return facts
}

func each[T any](all []T, line func(*T) string) []string {
	lines := make([]string, len(all))
	for i := range all {
		lines[i] = line(&all[i])
	}
	return lines
}

func featureLine(f *Feature) string {
	line := fmt.Sprintf("%s: %.4g, expected %.4g (95 %% within %.4g to %.4g), z %+.1f", f.Name, f.Observed, f.Expected, f.Low, f.High, f.Z)
	if f.Log10P < 0 {
		line += fmt.Sprintf(", p 1e%+.0f", f.Log10P)
	}
	if f.Window > 0 {
		line += ", in " + span(time.Duration(f.Window*float64(time.Second)))
	}
	if f.Subject != "" {
		line += ", by " + f.Subject
	}
	return line
}

func shareLine(s *Subject) string {
	if s.Usual == nil {
		return fmt.Sprintf("%s (%s)", s.Name, percent(s.Share))
	}
	return fmt.Sprintf("%s (%s, usually %s)", s.Name, percent(s.Share), percent(*s.Usual))
}

func partLine(p *Part) string {
	return fmt.Sprintf("%s: %s %s, z %+.1f", p.Role, p.Access, p.Resource, p.Z)
}

func evidenceLine(r *Record) string {
	line := r.Time.Format(time.RFC3339) + " " + r.Subject + " " + r.Verb
	if on := strings.Trim(r.Namespace+"/"+r.Object, "/"); on != "" {
		line += " " + on
	}
	if r.Code != 0 {
		line += fmt.Sprintf(" → %d", r.Code)
	}
	if r.Denied {
		line += " refused"
	}
	if r.Source != "" {
		line += " from " + r.Source
	}
	if at := Place(r); at != "" {
		line += ", " + at
	}
	return line
}

// Place says where a record is, in Kafka or in a file; empty when that is not
// known.
func Place(r *Record) string {
	switch {
	case r.Offset == nil:
		return ""
	case r.Partition == nil:
		return fmt.Sprintf("line %d", *r.Offset)
	}
	return fmt.Sprintf("%s/%d at %d", r.Topic, *r.Partition, *r.Offset)
}

// WriteFacts writes what [Explain] says and the query, indented, as it stands
// below the line of an alert.
func WriteFacts(w io.Writer, a *Alert, s LineStyle) error {
	facts := Explain(a)
	if a.LogQL != "" {
		facts = append(facts, Fact{"query", []string{a.LogQL}})
	}
	for _, f := range facts {
		name := f.Name
		for _, line := range f.Lines {
			if err := s.write(w, "    "+padded(name, factWidth)+"  "+line, "\x1b[2m"); err != nil {
				return err
			}
			name = ""
		}
	}
	return nil
}

// factWidth is the width of the names of facts, in cells.
const factWidth = 11
