// Package level scores the rows of a numeric series one after the other:
// temperatures, CPU, money, counts, with or without seasons, flat or heavy
// tailed, by one predictive idea and without tuning for a series.
//
//	series := level.New(level.DefaultConfig())
//	for … {
//		result := series.Next(at, value) // value against what was expected
//	}
//
// What happens to a row, in this order:
//
//   - Experts say where it will be (expert.go, forecast.go): where the last row
//     was, means of different lengths, a damped trend, an autoregression, the
//     same time on other days and in other weeks. Each is a Student t
//     distribution around its word, with a heavy and with a light tail and a
//     scale of its own on either side.
//   - They are mixed by how much probability each gave to the last rows
//     (mixture.go), together with the single values that the series keeps or comes
//     back to (atoms.go): a flat line, zeros, the steps of a sensor. So the
//     family of distributions is chosen by the data, continuously, and an expert
//     that is of no use costs nothing.
//   - The tails of the mixture at the value are held against the tails that
//     this series usually has (rarity.go), which calibrates them: z.
//   - The row and the ones just before it are held against the season, the long
//     run and the usual size of changes, each calibrated in the same way; all
//     that speaks against the row, together, is calibrated once more
//     (evidence.go): the anomaly score.
//   - All of these learn from the row (learn.go). Outliers move scales and seasons
//     by a bounded step; a lasting new level is followed by the fast experts at
//     once and by the slow ones in their time.
//
// What is said of a row depends on that row and those before it, and on nothing
// else. The expected value and its limits move with the unit and the origin of
// the values, and z and score do not depend on them, up to rounding. A series
// takes the same memory whatever its length, and a row no allocation; how long one
// takes, BenchmarkNext prints.
//
// The package is pure: no goroutine, no I/O, no clock.
package level
