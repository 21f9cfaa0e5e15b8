//go:build race

package family_test

const raceDetector = true
