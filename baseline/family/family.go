// Package family learns which roles are alike: in what they may do, and in
// what they do. A family is the peer group of a subject. It never mixes classes
// of power, and it keeps its identity from one time of learning to the next.
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
	// order; nil when no policy tells.
	Permissions []uint64
	// Behaviour is what the role did, in ascending order of Kind.
	Behaviour []Activity
}

// Activity is how much a role did of one kind of thing.
type Activity struct {
	// Kind is a hash of the resource and the access.
	Kind uint64
	// Events is how many there were (decayed: not a whole number).
	Events float64
}

// Family is a group of roles that are alike.
type Family struct {
	// ID is 16 hexadecimal digits, and stays the same as long as the family
	// goes on.
	ID string
	// Name is for people: what the members' keys have in common, such as
	// "Role/team-*/team-*-editor".
	Name string
	// Class is the power of every member.
	Class rbac.Class
	// Members are the role keys, ascending.
	Members []string
	// Silhouette is the mean of the members' (Rousseeuw 1987), from -1 to 1;
	// zero for a family of one.
	Silhouette float64
	// Since is when the family began (Unix nanoseconds of event time).
	Since int64
}

// Families are what was learned at one time about one tenant.
type Families struct {
	Tenant string
	// At is the time of learning (Unix nanoseconds of event time).
	At int64
	// Families are in ascending order of ID.
	Families []Family
	// Roles is how many role keys there were.
	Roles int
	// Silhouette is the mean over the roles that share a family with others,
	// from -1 to 1. Compared says how many they are: without any there is no
	// opinion.
	Silhouette float64
	Compared   int
	// Stability is the share of pairs of roles, of those known at this and at
	// the last time of learning, about which both agree (together or apart),
	// from 0 to 1 (Rand index, weighted to pairs that are together in either:
	// Jaccard). NaN-free: 1 at the first time.
	Stability float64
}
