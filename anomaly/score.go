package anomaly

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
)

// score is how unlike itself a cluster is in one window. The zero value is a
// window without an opinion.
type score struct {
	z, logP float64
	driver  cluster.Feature
}

func (v score) exceeds() bool { return math.Abs(v.z) > baseline.Exceedance }

// judge combines what the features say. The most unlikely feature drives; that
// it is the most unlikely of so many is paid for (Šidák), and the sign is its.
// A feature that is within the exceedance by itself cannot take the whole
// beyond it, so it is counted and not scored. Upwards leaves out what is less
// than expected.
func judge(x *baseline.Expectation, w *cluster.Window, upwards bool) score {
	v, up := score{}, true
	for f := range cluster.AllFeatures {
		if x.UsualIn(f, w) {
			continue
		}
		t, ok := x.Score(f, w)
		if ok && t.LogP() < v.logP && (t.Up < t.Low || !upwards) {
			v.logP, v.driver, up = t.LogP(), f, t.Up < t.Low
		}
	}
	if v.logP == 0 {
		return v
	}
	v.logP = baseline.Combine(v.logP, x.Opinions(w))
	v.z = baseline.Magnitude(v.logP)
	if !up {
		v.z = -v.z
	}
	return v
}

// explain returns the features that are beyond the exceedance, most deviating
// first, and at least the driver.
func explain(x *baseline.Expectation, w *cluster.Window, v score) []Feature {
	var out []Feature
	for f := range cluster.AllFeatures {
		if f != v.driver && x.UsualIn(f, w) {
			continue
		}
		o, ok := x.Opinion(f, w)
		if !ok || f != v.driver && math.Abs(o.Z) <= baseline.Exceedance {
			continue
		}
		out = append(out, Feature{
			Name: featureNames[f], Observed: o.Observed, Expected: o.Expected,
			Low: o.Low, High: o.High, Z: o.Z,
		})
	}
	slices.SortStableFunc(out, func(a, b Feature) int { return cmp.Compare(math.Abs(b.Z), math.Abs(a.Z)) })
	return out
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
