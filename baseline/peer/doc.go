// Package peer judges subjects against their peers: the other subjects whose
// roles are of the same role family.
//
// [Store.Judge] is given every evaluation of the medium scale and answers two
// questions, each with at most one [baseline.Finding] a cluster:
//
//   - Does somebody do much more, or less, of this than others in his role, and
//     than he always does? ([cluster.Peer], rate.go)
//   - Do the subjects of a role behave like each other, and unlike those of other
//     roles, as they always do? ([cluster.Silhouette], silhouette.go and fit.go)
//
// A window is judged by windows that do not overlap each other nor itself: by
// those that ended at least one window length before it did. What a window
// teaches is bounded by what was expected of it, and forgotten with a half-life.
//
// Names decide nothing. Sums that depend on an order run in the order of the
// values, or are made of whole numbers, so that a score is the same to the last
// bit whatever subjects, roles, namespaces and objects are called. There are two
// exceptions, where a bound is hit: of the least active subjects of a window
// that are equally active the first by name are looked at, and of what was
// last seen at the same time hashes tell what is forgotten.
//
// The package is pure, like the rest of the baseline: it starts no goroutine,
// does no I/O and never reads the clock. A [Store] is not safe for concurrent
// use.
package peer
