package alert

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// maxMarks is how many combining marks may follow one another: real scripts
// stack two or three, "zalgo" text stacks dozens to overwrite its neighbours.
const maxMarks = 3

// Clean makes text from a record safe to show anywhere: every character that a
// terminal, a browser or a reader's eye could be fooled by becomes its visible
// escape (\x1b for bytes, \u202e or \U000e0041 for runes), and the result is
// cut at a character to at most max bytes, ending in "…". Escaped are C0 and C1
// controls, all white space but the plain space, bidirectional overrides, zero
// width and other invisible characters, private use and unassigned code points,
// piles of combining marks, and bytes that are not UTF-8.
//
// The result is valid UTF-8, and Clean(Clean(s, n), n) == Clean(s, n). A
// backslash is left alone, so that DOMAIN\user stays readable: the escapes are
// for eyes and are not meant to be undone. With a max below 3, the length of
// the ellipsis, a text that does not fit becomes empty.
func Clean(s string, max int) string {
	if isClean(s) && len(s) <= max {
		return s
	}
	var b strings.Builder
	// cut is the length at which the text can still be ended by an ellipsis.
	cut, marks := 0, 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		unit := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			unit, marks = fmt.Sprintf(`\x%02x`, s[i]), 0
		case !visible(r):
			unit, marks = visibleEscape(r), 0
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				unit = visibleEscape(r)
			}
		default:
			marks = 0
		}
		if b.Len()+len(unit) > max {
			return ended(b.String(), cut, max)
		}
		b.WriteString(unit)
		if b.Len()+len(ellipsis) <= max {
			cut = b.Len()
		}
		i += size
	}
	return b.String()
}

// ended cuts s at cut and marks the cut, where max leaves room for the mark.
func ended(s string, cut, max int) string {
	if max < len(ellipsis) {
		return ""
	}
	return s[:cut] + ellipsis
}

// isClean is the common case: printable ASCII only.
func isClean(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// visible reports whether r shows something of its own, in its own place.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(invisible, r)
}

func visibleEscape(r rune) string {
	switch {
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// invisible are the characters that Unicode calls printable (letters, marks,
// symbols) and that are nevertheless drawn as nothing: its property
// Default_Ignorable_Code_Point without what [unicode.IsPrint] refuses already,
// and the blank braille pattern.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, // combining grapheme joiner
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, // Khmer inherent vowels
		{Lo: 0x180b, Hi: 0x180f, Stride: 1}, // Mongolian variation selectors
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // blank braille pattern
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // half width Hangul filler
	},
	R32: []unicode.Range32{
		{Lo: 0xe0100, Hi: 0xe01ef, Stride: 1}, // variation selectors supplement
	},
}
