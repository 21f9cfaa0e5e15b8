// Package family learns which roles are alike: in what they may do, and in
// what they do. A family is the peer group of a subject. It never mixes classes
// of power, and it keeps its identity from one time of learning to the next.
//
// [Assemble] makes [Role]s of a policy and of what a baseline has seen,
// [Learner.Learn] groups them, [Families.Of] finds a role's family. How far two
// roles are from each other is written at [Config.Cut]; roles are joined by
// average linkage (UPGMA) until no two families are nearer than the cut.
//
// The package is pure, like the rest of the baseline: it starts no goroutine,
// does no I/O and never reads the clock.
package family

import "github.com/logcluster/logcluster/fingerprint/rbac"

// Role is what is known of one role key of a tenant.
type Role struct {
	// Key is the role key.
	Key string
	// Class is the power of the role. Roles of different classes are never in
	// one family.
	Class rbac.Class
	// Permissions are what the rules of the role allow, as hashes in ascending
	// order, each once; nil when no policy tells, empty when the rules allow
	// nothing.
	Permissions []uint64
	// Behaviour is what the role did, in ascending order of Kind, each once.
	Behaviour []Activity
}

// Activity is how much a role did of one kind of thing.
type Activity struct {
	// Kind is a hash of the resource and the access.
	Kind uint64
	// Events is how many there were, at least 0.
	Events float64
}

// Family is a group of roles that are alike.
type Family struct {
	// ID is 16 hexadecimal digits, and stays the same as long as the family
	// goes on.
	ID string
	// Name is for people: what the members' keys have in common, such as
	// "Role/team-*/team-*-editor", at most [MaxName] bytes. Two families may
	// have the same one.
	Name string
	// Class is the power of every member.
	Class rbac.Class
	// Members are the role keys, ascending.
	Members []string
	// Silhouette is the mean of the members' (see [Families]), from -1 to 1;
	// zero for a family of one, and where there is no opinion.
	Silhouette float64
	// Since is when the family began (Unix nanoseconds of event time).
	Since int64
	// Excess says that the tenant had more roles than are compared: this is one
	// of those left over, a family of its own whatever it is like.
	Excess bool
}

// Families are what was learned at one time about one tenant. They are not
// modified after Learn has returned them, and safe for concurrent use.
type Families struct {
	Tenant string
	// At is the time of learning (Unix nanoseconds of event time).
	At int64
	// Families are in ascending order of ID.
	Families []Family
	// Roles is how many role keys there were; Excess is how many of them were
	// beyond [Config.MaxRoles] and not compared.
	Roles  int
	Excess int
	// Silhouette is the mean over the roles that share a family with others,
	// from -1 to 1. Compared says how many they are: without any there is no
	// opinion.
	//
	// A role's silhouette (Rousseeuw 1987) is (b − a)/max(a, b), where a is its
	// mean distance to the other members of its family and b that to the
	// members of the nearest other family of its class. A role whose class has
	// no other family has none, and is not among the Compared.
	Silhouette float64
	Compared   int
	// Stability is the share of pairs of roles that are in one family now as at
	// the last time of learning, of those that are in one family at either,
	// among the roles known at both: the Jaccard index of two partitions
	// (Hubert & Arabie 1985), from 0 to 1. It is 1 where there is no such
	// pair, as at the first time.
	Stability float64

	index map[string]int // of Families, by role key
}

// Of returns the family of a role key, nil for a key that is not known. It
// does not allocate.
func (f *Families) Of(key string) *Family {
	if f == nil {
		return nil
	}
	i, ok := f.index[key]
	if !ok {
		return nil
	}
	return &f.Families[i]
}

func (f *Families) reindex() {
	f.index = make(map[string]int, f.Roles)
	for i := range f.Families {
		for _, key := range f.Families[i].Members {
			f.index[key] = i
		}
	}
}
