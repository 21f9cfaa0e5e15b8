package rbac

import "fmt"

// sourceNames are the words for the sources in output and configuration.
var sourceNames = [...]string{
	SourceUnknown:    "unknown",
	SourceRBAC:       "rbac",
	SourceAnnotation: "annotation",
	SourceMapping:    "mapping",
	SourceConvention: "convention",
}

// SourceCount is how many sources there are, SourceUnknown included.
const SourceCount = len(sourceNames)

// String returns the source as it is written in output: rbac, annotation,
// mapping, convention or unknown.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// ParseSource is the inverse of [Source.String].
func ParseSource(name string) (Source, error) {
	for s, n := range sourceNames {
		if n == name {
			return Source(s), nil
		}
	}
	return SourceUnknown, fmt.Errorf("parse role source: no source is called %q", name)
}
