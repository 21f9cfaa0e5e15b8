// Package verdict keeps what people have decided about alerts, and does it: the
// [Book].
//
// # What a verdict means
//
// A verdict is about one alert, by its identity, and holds for all of its
// clusters, the lead and its parts.
//
//   - true: a real incident. It counts as right in the precision that is shown.
//     From its beginning to its end its windows are kept out of the baseline: the
//     next attack must not look usual because this one was seen.
//   - false: nothing to see. It counts as wrong in the precision. It is resolved,
//     and until the verdict ends the same feature of the same cluster must be
//     clearly more unlikely than it was to be told again; other features, and
//     other clusters, are told as before.
//   - expected: real, known and meant. Nobody is told of its clusters until the
//     verdict ends: at a time, or else for a while after the alert was resolved.
//     It says nothing about the precision.
//
// What becomes of the baseline is a decision of its own, because what is expected
// today need not be usual tomorrow. [KeepOut] keeps the windows of the alert out
// of it (true always does); [LetIn] makes the level since the beginning of the
// alert the usual one at once, which is also the only way to accept a lasting new
// level of the clusters that never accept one by themselves. Without a word the
// baseline decides as always.
//
// A verdict given again replaces the one before. One that is removed ends:
// nobody is kept from hearing of the alert any more, and it counts for nothing.
// What it did to the baseline stays done.
//
// # What a suppression and a maintenance window mean
//
// A suppression is for alerts to come: matchers, an end, and who wanted it and
// why. A maintenance window is one that comes back, in the words of Alertmanager's
// time intervals. What matches is found, shown and written to the topic of
// anomalies with the reason, but nobody is woken up.
//
// Matchers are written as for Alertmanager: role="…", role!="…", role=~"…" and
// role!~"…", the last two with regular expressions (RE2) of the whole value. All
// of a list must match. The names are tenant, role, resource, access, cluster and
// subject. Many subjects may be active in a window: subject matches when those
// that it matches did more than half of the window's events, so that one who is
// expected does not hide what another does.
//
// All of these cover a window that began before their end: what happened before
// it is in the window still.
//
// # When a decision is in force
//
// From the start of a pane that no event had reached when it was taken, by event
// time ([Decision.From]). So a decision that was written down before anything
// depended on it gives the same results again: after a crash, and in a repeated
// run. Expiry is by event time too.
//
// The book is pure: no goroutine, no I/O, no clock. It is not safe for
// concurrent use.
package verdict
