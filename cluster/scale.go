package cluster

// Scale is which of the lengths of windows is meant. All scales are cut from the
// same panes; each has its own baseline. The short one is fast, the longer ones
// see what is slow and low.
type Scale uint8

// The scales, by their place in the configuration: [Config.Window],
// [Config.MediumWindow] and [Config.LongWindow].
const (
	Short Scale = iota
	Medium
	Long
	NumScales
)

var scaleNames = [NumScales]string{"short", "medium", "long"}

// String returns the name of the scale in configuration and metrics.
func (s Scale) String() string {
	if s < NumScales {
		return scaleNames[s]
	}
	return "unknown"
}
