package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// row is one anomaly.
type row struct {
	ID, Rank, Z, Severity, State string
	// Who is the subject, WhoRole its role; the role stands in Who when no
	// subject is known.
	Who, WhoRole            string
	Role, RoleSource        string      // RoleSource is empty when it is unknown
	Power, PowerWords       string      // empty when it is unknown
	Family                  *familyLink // nil when there is none
	Access, Group, Resource string
	Tenant, Summary         string
	Observed, Usual         string
	Since, SinceISO, For    string
	Spark                   spark
	Features                []feature
	Subjects                []subject
	Places                  []places
	News                    []string
	Evidence                []record
	Began, Like             string // empty when that does not show
	Doubt                   string // about z, empty when there is none
	Suppressed              string
	LevelShift              bool
	Parts                   []part
	MoreParts               int
	LogQL                   string
	Learning                bool
	Partial                 string
	// Anchor is the cluster, for links from alerts: page#cluster. Empty for
	// the second anomaly of the same cluster.
	Anchor string
}

type feature struct{ Name, Window, Observed, Expected, Band, Z, P string }

// subject is who acted, or on what, or from where. Explain links to what a
// subject may do; empty without a policy.
type subject struct{ Name, Share, Usual, Explain string }

// places are the most active objects or sources.
type places struct {
	Title string
	Names []subject
}

// record is one event as evidence. Place is where it is in Kafka or in a file.
type record struct{ At, Subject, Did, Source, Code, Place string }

type part struct{ Role, Access, Resource, Z string }

func newRow(a *Anomaly, watermark time.Time) row {
	r := row{
		ID: a.ID, Rank: "–", Z: signed(a.Z), Severity: a.Severity, State: a.State,
		Role:   spaced(a.Role),
		Access: a.Access, Group: a.APIGroup,
		Resource: strings.TrimPrefix(a.Resource, "nonresource:"),
		Tenant:   a.Tenant, Summary: a.Summary,
		Since: clock(a.StartedAt, watermark), SinceISO: a.StartedAt.UTC().Format(time.RFC3339),
		LogQL: a.LogQL, Learning: a.Learning, Partial: strings.Join(a.Partial, ", "),
	}
	if a.Rank > 0 {
		r.Rank = strconv.Itoa(a.Rank)
	}
	until := watermark
	if a.ResolvedAt != nil {
		until = *a.ResolvedAt
	}
	if d := until.Sub(a.StartedAt); d > 0 {
		r.For = span(d)
	}
	r.tellRole(a)
	r.Who, r.WhoRole = r.Role, ""
	if len(a.Subjects) > 0 {
		r.Who, r.WhoRole = a.Subjects[0].Name, r.Role
		if n := len(a.Subjects) - 1; n > 0 {
			r.Who += fmt.Sprintf(" and %d more", n)
		}
	}
	// "212 different objects in 5 min, usually 2 (0–6)"
	r.Observed, r.Usual, _ = strings.Cut(alert.HowMuch(&a.Alert), ", ")
	if len(a.Features) > 0 {
		f := a.Features[0]
		r.Spark = newSpark(a.Trend, f.Low, f.High)
	}
	r.explain(a, watermark)
	for _, p := range a.Parts {
		r.Parts = append(r.Parts, part{p.Role, p.Access, p.Resource, signed(p.Z)})
	}
	r.MoreParts = a.PartsCut
	return r
}

// explain says what the anomaly was found by, and what there is to look at.
func (r *row) explain(a *Anomaly, watermark time.Time) {
	for i := range a.Features {
		f := &a.Features[i]
		r.Features = append(r.Features, feature{
			Name: words(f.Name), Observed: alert.Value(f.Name, f.Observed), Expected: alert.Value(f.Name, f.Expected),
			Band: alert.Band(f), Z: signed(f.Z), P: odds(f.Log10P),
		})
		if f.Window > 0 {
			r.Features[i].Window = "in " + span(time.Duration(f.Window*float64(time.Second)))
		}
	}
	r.Subjects = names(a.Subjects)
	for _, p := range []places{{"Objects", names(a.Objects)}, {"From", names(a.Sources)}} {
		if len(p.Names) > 0 {
			r.Places = append(r.Places, p)
		}
	}
	for i := range a.New {
		r.News = append(r.News, alert.News(&a.New[i]))
	}
	for i := range a.Evidence {
		r.Evidence = append(r.Evidence, newRecord(&a.Evidence[i]))
	}
	if a.BeganAt != nil {
		r.Began = clock(*a.BeganAt, watermark)
	}
	if a.Extrapolated {
		r.Doubt = "beyond what could be measured: take it for “very unlikely”"
	}
	r.Like, r.Suppressed, r.LevelShift = spaced(a.Like), a.Suppressed, a.LevelShift
}

// names are subjects, objects or sources with their shares.
func names(all []alert.Subject) []subject {
	var out []subject
	for _, s := range all {
		n := subject{Name: s.Name, Share: percent(s.Share)}
		if s.Usual != nil {
			n.Usual = "usually " + percent(*s.Usual)
		}
		out = append(out, n)
	}
	return out
}

func newRecord(e *alert.Record) record {
	r := record{At: e.Time.Format("15:04:05"), Subject: e.Subject, Did: e.Verb, Source: e.Source, Place: alert.Place(e)}
	if on := strings.Trim(e.Namespace+"/"+e.Object, "/"); on != "" {
		r.Did += " " + on
	}
	if e.Code != 0 {
		r.Code = strconv.Itoa(e.Code)
	}
	if e.Denied {
		r.Code = strings.TrimSpace(r.Code + " refused")
	}
	return r
}

// odds says how unlikely something is: "1 in 370", "1 in 10¹²"; empty for what
// is no p-value.
func odds(log10 float64) string {
	switch {
	case log10 >= 0:
		return ""
	case log10 > -6:
		return "1 in " + thousands(math.Pow(10, -log10))
	}
	return "1 in 10" + raised.Replace(fmt.Sprintf("%.0f", -log10))
}

var raised = strings.NewReplacer("0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")

// tellRole says as what the subjects acted, and with which power.
func (r *row) tellRole(a *Anomaly) {
	if a.Role == "" || a.Role == "unknown" {
		r.Role = "role unknown"
	}
	if a.RoleSource != "" && a.RoleSource != "unknown" {
		r.RoleSource = "from " + a.RoleSource
	}
	if r.PowerWords = powerWords(a.Power); r.PowerWords != "" {
		r.Power = a.Power
	}
	r.Family = newFamilyLink(a.Family)
}

// words is a feature's name as a person says it.
func words(feature string) string {
	return strings.ReplaceAll(strings.TrimSuffix(feature, "_share"), "_", " ")
}
