package anomaly

import "github.com/logcluster/logcluster/fingerprint"

// Suppressions says of which anomalies nobody is to be told: those that a
// verdict or a maintenance window covers. It must answer the same in a replay.
type Suppressions interface {
	// Suppressed returns why nobody is to be told, at an event time in Unix
	// nanoseconds, of an anomaly of a cluster with these most active subjects;
	// false when people are.
	Suppressed(key *fingerprint.ClusterKey, subjects []Share, at int64) (why string, ok bool)
}

// Dismissals says what people have called nothing to see. It must answer the same
// in a replay.
type Dismissals interface {
	// Dismissed reports whether an anomaly of a cluster, driven by a feature with a
	// z, is to be resolved and not told again, at an event time in Unix
	// nanoseconds: nothing new about it is clearly more unlikely.
	Dismissed(key *fingerprint.ClusterKey, feature string, z float64, at int64) bool
}

// Bindings says whether anybody is still bound to a role. A cluster whose
// binding is gone is retired, and not missed. It must answer the same in a
// replay.
type Bindings interface {
	// Bound reports whether the policy of the cluster's tenant in force at an
	// event time in Unix nanoseconds binds its roles to anybody. It is true where
	// that is not known.
	Bound(key *fingerprint.ClusterKey, at int64) bool
}

// SetSuppressions says whom to ask what is suppressed; nil suppresses nothing.
func (d *Detector) SetSuppressions(s Suppressions) { d.suppressions = s }

// SetDismissals says whom to ask what is nothing to see; nil calls nothing so.
func (d *Detector) SetDismissals(s Dismissals) { d.dismissals = s }

// dismissed reports whether a person has called what a track shows nothing to see.
func (j *judging) dismissed(tr *track) bool {
	if j.dismissals == nil || len(tr.Last.Features) == 0 {
		return false
	}
	return j.dismissals.Dismissed(tr.Cluster, tr.Last.Features[0].Name, tr.Z, j.ev.End)
}

// SetBindings says whom to ask which roles are bound; nil knows of none that is
// not.
func (d *Detector) SetBindings(b Bindings) { d.bindings = b }
