// Package baseline says what a cluster's windows are expected to look like: as
// predictive distributions, fitted to the trailing days and retrained all the
// time.
//
// [Store] keeps the history and fits; [Prediction] is what it expects of one
// cluster; [Opinion] is a prediction held against what was seen. All of the
// statistics of the project live here, so that nothing outside ever sees a NaN
// or an infinity. "No opinion" is a value of its own: a feature without one
// is left out, it does not count as zero.
//
// A z-score is a probability in familiar clothes. For an observed count x the
// upper and lower mid-p tails are
//
//	p_up  = P(X > x) + P(X = x)/2
//	p_low = P(X < x) + P(X = x)/2
//
// and z = −Φ⁻¹(p_up) where p_up < ½, else Φ⁻¹(p_low). Both tails are kept as
// natural logarithms from the beginning: a z of 40 is log p = −804, which no
// 1 − p can hold. Where counts are large and steady, z is the textbook
// (x − mean)/σ; where they are small it stays right.
//
// The package is pure: no goroutine, no I/O, no clock. A [Store] is not safe
// for concurrent use.
package baseline
