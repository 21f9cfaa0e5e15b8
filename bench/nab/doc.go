// Package nab judges the score of numeric series (baseline/level) as the
// Numenta Anomaly Benchmark judges streaming detectors, side by side with
// simple rivals on the same series in the same run.
//
// The rules are those of Lavin and Ahmad 2015, "Evaluating Real-time Anomaly
// Detection Algorithms – the Numenta Anomaly Benchmark" (arXiv 1510.03336),
// written anew: windows around the labelled anomalies, the first detection
// inside a window earns more the earlier it comes, each one outside costs, the
// first 15 % of a series are for learning, and one threshold is chosen for the
// whole corpus.
//
// The corpus of the benchmark is under the AGPL and is not part of this
// repository: the environment variable LOGCLUSTER_NAB names a folder in its
// layout (data/*/*.csv and labels/combined_windows.json), without which that
// part is skipped. [Synthetic] makes a corpus of the same kinds of series from
// a seed. The defaults of baseline/level were chosen with seeds below
// [FirstTestSeed]; those from there on are for judging alone.
package nab
