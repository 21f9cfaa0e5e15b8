package verdict

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// Instant is a time in Unix nanoseconds; zero is none. Its text is RFC 3339 in UTC.
type Instant int64

// At returns the instant of a time, zero of the zero time.
func At(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixNano())
}

// Time returns the instant as a time in UTC, the zero time of none.
func (t Instant) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// MarshalText implements [encoding.TextMarshaler].
func (t Instant) MarshalText() ([]byte, error) { return t.Time().MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Instant) UnmarshalText(text []byte) error {
	var at time.Time
	if err := at.UnmarshalText(text); err != nil {
		return err
	}
	*t = At(at)
	return nil
}

// Word is what a person says about an alert.
type Word string

// The words.
const (
	True     Word = "true"
	False    Word = "false"
	Expected Word = "expected"
)

// Words are all words, in the order in which they are counted.
var Words = [...]Word{True, False, Expected}

// index returns the place of a word, -1 of none.
func (w Word) index() int {
	for i, known := range Words {
		if w == known {
			return i
		}
	}
	return -1
}

// Learning says what becomes of the baseline.
type Learning string

// What becomes of the baseline.
const (
	// AsAlways leaves it to the baseline, but for what is a real incident.
	AsAlways Learning = ""
	// KeepOut keeps the windows of the alert out of it.
	KeepOut Learning = "keep-out"
	// LetIn takes the level since the beginning of the alert as the usual one.
	LetIn Learning = "let-in"
)

// Decision is one thing that was decided. Exactly one of Verdict, Suppression,
// Maintenance and Remove is set.
type Decision struct {
	// Number counts decisions, from 1; a later one has a higher number.
	Number uint64 `json:"number"`
	// From is the event time from which it is in force: the start of a pane that
	// no event had reached; zero is from the beginning.
	From        Instant      `json:"from,omitzero"`
	Verdict     *Verdict     `json:"verdict,omitempty"`
	Suppression *Suppression `json:"suppression,omitempty"`
	// Maintenance are the maintenance windows from now on; empty but not nil for
	// none.
	Maintenance []Maintenance `json:"maintenance,omitzero"`
	// Remove is the identity of the verdict or suppression that ends.
	Remove string `json:"remove,omitempty"`
}

// Verdict is what a person says about one alert. See the package for what it means.
type Verdict struct {
	// ID is the alert's.
	ID   string `json:"id"`
	Word Word   `json:"verdict"`
	// Until is when it ends. Zero, which is for [True] and [Expected] alone, is
	// never, and For after the alert was resolved.
	Until Instant `json:"until,omitzero"`
	// For is how long [Expected] without an end goes on after the alert was
	// resolved, in nanoseconds.
	For time.Duration `json:"for,omitzero"`
	// Baseline is what becomes of it; [True] implies [KeepOut].
	Baseline Learning `json:"baseline,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	By       string   `json:"by,omitempty"`
	// About is the alert, as it was known then: so the verdict also holds where
	// another configuration gives the alert another identity.
	About Told `json:"about"`
}

// Suppression says that nobody is to be told of what matches until a time.
type Suppression struct {
	// ID names it for removal: "s" and the number of the decision.
	ID       string   `json:"id"`
	Matchers []string `json:"matchers"`
	Until    Instant  `json:"until"`
	Comment  string   `json:"comment,omitempty"`
	By       string   `json:"by,omitempty"`
}

// SuppressionID returns the identity of the suppression that a decision makes.
func SuppressionID(number uint64) string { return "s" + strconv.FormatUint(number, 10) }

// Told is an alert that was told: what a verdict can be about.
type Told struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	// Role, Resource and Access are the lead's, for people.
	Role     string `json:"role"`
	Resource string `json:"resource"`
	Access   string `json:"access"`
	// Start is when it began, End when it was resolved, zero while it fires.
	Start Instant `json:"start"`
	End   Instant `json:"end,omitzero"`
	// Feature is what drove the lead last.
	Feature string `json:"feature"`
	// Suppressed tells that at some time nobody was told of it.
	Suppressed bool `json:"suppressed,omitempty"`
	// Members are its clusters: the lead, then the parts, at most [maxMembers].
	Members []Member `json:"clusters"`
}

// Member is one cluster of an alert.
type Member struct {
	// Cluster is 16 hexadecimal digits.
	Cluster string `json:"cluster"`
	// Z is the z furthest from zero while the alert fired.
	Z float64 `json:"z"`
}

// maxMembers bounds the clusters that are remembered of an alert.
const maxMembers = 64

// maxText bounds a comment, and who it is by, in bytes.
const maxText = 1000

// Validate reports what is wrong with a decision.
func (d *Decision) Validate() error {
	set := 0
	for _, is := range []bool{d.Verdict != nil, d.Suppression != nil, d.Maintenance != nil, d.Remove != ""} {
		if is {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("decision %d: it decides %d things", d.Number, set)
	}
	var err error
	switch {
	case d.Verdict != nil:
		err = d.Verdict.validate(d.From)
	case d.Suppression != nil:
		err = d.Suppression.validate(d.From)
	case d.Maintenance != nil:
		err = Config{Maintenance: d.Maintenance}.Validate()
	}
	return err
}

func (v *Verdict) validate(from Instant) error {
	var errs []error
	if v.ID == "" {
		errs = append(errs, errors.New("id: no alert is named"))
	}
	if v.Word.index() < 0 {
		errs = append(errs, fmt.Errorf("verdict: %q is none of true, false, expected", v.Word))
	}
	switch v.Baseline {
	case AsAlways, KeepOut, LetIn:
	default:
		errs = append(errs, fmt.Errorf("baseline: %q is none of %s, %s", v.Baseline, KeepOut, LetIn))
	}
	if v.Word == True && v.Baseline == LetIn {
		errs = append(errs, errors.New("baseline: a real incident is never let in"))
	}
	if v.Word == True && v.Until != 0 {
		errs = append(errs, errors.New("until: a real incident stays one"))
	}
	if v.Word == False && v.Until == 0 {
		errs = append(errs, errors.New("until: none is given"))
	}
	if v.Until != 0 {
		errs = append(errs, validUntil(from, v.Until))
	}
	if v.For < 0 || v.For > MaxFor {
		errs = append(errs, fmt.Errorf("for: %s is not between 0 and %s", v.For, MaxFor))
	}
	if n := len(v.About.Members); n == 0 || n > maxMembers {
		errs = append(errs, fmt.Errorf("about: %d clusters are not 1 to %d", n, maxMembers))
	}
	for i := range v.About.Members {
		if _, err := parseID(v.About.Members[i].Cluster); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, validText(v.Comment, v.By))...)
}

func (s *Suppression) validate(from Instant) error {
	_, err := ParseMatchers(s.Matchers)
	if err != nil {
		err = fmt.Errorf("matchers: %w", err)
	}
	return errors.Join(err, validUntil(from, s.Until), validText(s.Comment, s.By))
}

func validUntil(from, until Instant) error {
	switch {
	case until <= from:
		return fmt.Errorf("until: %s is not after %s, up to which events have come", until.Time().Format(time.RFC3339), from.Time().Format(time.RFC3339))
	case from != 0 && time.Duration(until-from) > MaxFor:
		return fmt.Errorf("until: more than %s is too long", MaxFor)
	}
	return nil
}

func validText(comment, by string) error {
	var errs []error
	if len(comment) > maxText {
		errs = append(errs, fmt.Errorf("comment: longer than %d bytes", maxText))
	}
	if len(by) > maxText {
		errs = append(errs, fmt.Errorf("by: longer than %d bytes", maxText))
	}
	return errors.Join(errs...)
}

func parseID(text string) (fingerprint.ID, error) {
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return 0, fmt.Errorf("cluster: %q is not 16 hexadecimal digits", text)
	}
	return fingerprint.ID(id), nil
}
