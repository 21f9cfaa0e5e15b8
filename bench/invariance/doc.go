// Package invariance tests what must not matter to the scores: what things are
// called, how fast the clock runs, which partition a source writes to, when the
// process was restarted; and that a baseline never contains what it judges.
package invariance
