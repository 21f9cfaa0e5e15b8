// Package bench measures what crosses packages: the cost of an event on its way
// through the stages, on the bundled recording. What concerns one package is
// measured there; the quality of the detection is judged in bench/detection.
package bench
