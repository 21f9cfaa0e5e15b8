package ingest

import "bytes"

// tooDeep reports whether the text nests deeper than limit. It runs before
// anything recurses, so that a record of a million brackets costs one pass and
// no stack. Most records have fewer brackets than the limit altogether, which
// two vectorised counts show.
func tooDeep(text []byte, limit int) bool {
	openers := bytes.Count(text, openBrace) + bytes.Count(text, openBracket)
	return openers > limit && deeperThan(text, limit)
}

var openBrace, openBracket = []byte{'{'}, []byte{'['}

func deeperThan(text []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(text[i+1:])
			if end < 0 {
				return false // broken off: the parser will say so
			}
			i += 1 + end
		}
	}
	return false
}

// stringEnd returns the index of the quote that ends a JSON string whose
// opening quote was just before s, or -1.
func stringEnd(s []byte) int {
	from := 0
	for {
		q := bytes.IndexByte(s[from:], '"')
		if q < 0 {
			return -1
		}
		q += from
		backslashes := 0
		for i := q - 1; i >= 0 && s[i] == '\\'; i-- {
			backslashes++
		}
		if backslashes%2 == 0 {
			return q
		}
		from = q + 1
	}
}
