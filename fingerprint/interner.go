package fingerprint

import (
	"strings"

	"github.com/logcluster/logcluster/fingerprint/memo"
)

// Interner keeps one copy of each of the strings it has seen last, for those
// who keep names that alias a record's buffer. It is bounded: what was not seen
// for a long time is forgotten, and a later equal string is another copy (equal,
// but not the same memory). It is not safe for concurrent use.
type Interner struct {
	seen *memo.Cache[string]
}

// NewInterner returns an interner that keeps at least the entries strings used
// last and at most twice as many (fewer when they average more than 512 bytes).
// Values below 1 count as 1.
func NewInterner(entries int) *Interner {
	return &Interner{seen: memo.New[string](entries)}
}

// Intern returns a copy of s that is safe to keep. It does not allocate when s
// is known.
func (i *Interner) Intern(s string) string {
	if kept, ok := i.seen.GetString(s); ok {
		return kept
	}
	kept := strings.Clone(s)
	i.seen.PutString(kept, kept)
	return kept
}
