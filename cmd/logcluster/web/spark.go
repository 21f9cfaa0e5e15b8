package web

import (
	"math"
	"strconv"
	"strings"
)

// The size of a sparkline's drawing, in the units of its viewBox.
const (
	sparkWidth  = 120
	sparkHeight = 32
	sparkMargin = 3 // so that the line and its last dot are not cut
)

// spark is a line of the last windows over the band that 95 % of them are
// expected in. The zero value draws nothing.
type spark struct {
	// Line are the points of a polyline, Area those of the polygon under it.
	Line, Area string
	// BandY and BandHeight are where the band lies.
	BandY, BandHeight string
	// X and Y are the last point.
	X, Y string
	// Label tells the drawing in words.
	Label string
}

// newSpark draws the trend, oldest first, against the band from low to high.
// The scale begins at zero: a drawing that cuts it off makes small changes
// look large.
func newSpark(trend []float64, low, high float64) spark {
	if len(trend) < 2 {
		return spark{}
	}
	top := high
	for _, x := range trend {
		top = math.Max(top, x)
	}
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	y := func(x float64) float64 {
		x = math.Min(math.Max(x/top, 0), 1)
		return sparkMargin + (1-x)*(sparkHeight-2*sparkMargin)
	}
	var line strings.Builder
	step := float64(sparkWidth-2*sparkMargin) / float64(len(trend)-1)
	for i, x := range trend {
		if i > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(coordinate(sparkMargin+float64(i)*step) + "," + coordinate(y(x)))
	}
	const left, right = sparkMargin, sparkWidth - sparkMargin
	floor := coordinate(y(0))
	last := trend[len(trend)-1]
	return spark{
		Line:  line.String(),
		Area:  coordinate(left) + "," + floor + " " + line.String() + " " + coordinate(right) + "," + floor,
		BandY: coordinate(y(high)), BandHeight: coordinate(math.Max(y(low)-y(high), 1)),
		X: coordinate(right), Y: coordinate(y(last)),
		Label: "last " + strconv.Itoa(len(trend)) + " windows: from " + number(trend[0]) + " to " + number(last) +
			", usual range " + number(low) + " to " + number(high),
	}
}

func coordinate(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }
