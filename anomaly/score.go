package anomaly

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
)

// Verdict is what the features of one window say of its cluster. The zero value
// is a window without an opinion.
type Verdict struct {
	// LogP is the natural logarithm of the two-sided p-value of the most unlikely
	// feature, the Driver; zero when all are within [baseline.Exceedance].
	LogP   float64
	Driver cluster.Feature
	Up     bool // more than expected, else less
	// Observed is the driver's value, Expected its predictive median.
	Observed, Expected float64
	// Opinions is how many features have an opinion: of so many is the driver the
	// most unlikely.
	Opinions int
}

// judge finds the feature that drives. One that is within the exceedance by
// itself cannot take the whole beyond it, so it is counted and not scored.
// Upwards leaves out what is less than expected. The findings are those about
// the window's cluster.
func judge(x *baseline.Expectation, w *cluster.Window, findings []baseline.Finding, upwards bool) Verdict {
	v := Verdict{Opinions: x.Opinions(w) + len(findings)}
	take := func(f cluster.Feature, t baseline.Tails) {
		if t.LogP() < v.LogP && (t.Up < t.Low || !upwards) {
			v.LogP, v.Driver, v.Up = t.LogP(), f, t.Up < t.Low
		}
	}
	for f := range cluster.AllFeatures {
		if x.UsualIn(f, w) {
			continue
		}
		if t, ok := x.Score(f, w); ok {
			take(f, t)
		}
	}
	for i := range findings {
		if f := &findings[i]; math.Abs(f.Z) > baseline.Exceedance {
			take(f.Feature, f.Tails)
		}
	}
	return v
}

// alone is the logarithm of the p-value of a verdict as one of so many tests
// (Šidák).
func (v *Verdict) alone(tests int) float64 {
	if v.LogP == 0 {
		return 0
	}
	return baseline.Combine(v.LogP, tests)
}

// explain notes the features that are beyond the exceedance, most deviating first,
// and at least the driver.
func (a *Account) explain(x *baseline.Expectation, w *cluster.Window, findings []baseline.Finding, v *Verdict, ev *cluster.Evaluation) {
	add := func(o *baseline.Opinion, subject string) {
		if o.Feature == v.Driver {
			a.Extrapolated = o.Extrapolated
		}
		if o.Feature != v.Driver && math.Abs(o.Z) <= baseline.Exceedance {
			return
		}
		a.Features = append(a.Features, Feature{
			Name: featureNames[o.Feature], Scale: ev.Scale, Window: length(ev), Observed: o.Observed, Expected: o.Expected,
			Low: o.Low, High: o.High, Z: o.Z, LogP: o.LogP, Subject: subject,
		})
	}
	for f := range cluster.AllFeatures {
		if f != v.Driver && x.UsualIn(f, w) {
			continue
		}
		if o, ok := x.Opinion(f, w); ok {
			add(&o, "")
		}
	}
	for i := range findings {
		add(&findings[i].Opinion, findings[i].Subject)
	}
	slices.SortStableFunc(a.Features, func(a, b Feature) int { return cmp.Compare(math.Abs(b.Z), math.Abs(a.Z)) })
}

// FeatureName is the name of a feature in what leaves the system.
func FeatureName(f cluster.Feature) string {
	if int(f) < len(featureNames) {
		return featureNames[f]
	}
	return "unknown"
}

// featureNames are the names of the features in what leaves the system.
var featureNames = [cluster.AllFeatures]string{
	cluster.Events:              "events",
	cluster.Denied:              "denied",
	cluster.Failed:              "failed",
	cluster.Subjects:            "subjects",
	cluster.Objects:             "objects",
	cluster.Namespaces:          "namespaces",
	cluster.Sources:             "sources",
	cluster.NewFingerprints:     "new_fingerprints",
	cluster.NewSubjectResources: "new_subject_resources",
	cluster.NewSubjectSources:   "new_subject_sources",
	cluster.NewSubjectRoles:     "new_subject_roles",
	cluster.NewSubjectPowers:    "new_subject_powers",
	cluster.Latency:             "latency",
	cluster.VerbMix:             "verb_mix",
	cluster.OutcomeMix:          "outcome_mix",
	cluster.TopObject:           "top_object_share",
	cluster.TopSubject:          "top_subject_share",
	cluster.Stability:           "stability",
	cluster.Peer:                "peer",
	cluster.Silhouette:          "silhouette",
}
