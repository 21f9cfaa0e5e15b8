package baseline

import (
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Shift is a level of one cluster that lasted and was accepted as its new usual
// at a retrain.
type Shift struct {
	Tenant  string
	Cluster *fingerprint.ClusterKey
	// At is the retrain that accepted it, Since when the new level began, in Unix
	// nanoseconds.
	At, Since int64
	// From and To are the old and the new level of the feature, a window.
	From, To float64
	Feature  cluster.Feature
	Scale    cluster.Scale
}
