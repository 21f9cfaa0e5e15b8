package ingest

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// alias returns the bytes as a string without copying them. This is the one
// place where that is done, and it is why the strings of an emitted event are
// valid only until emit returns: they lie in the record or in the decoder's
// scratch, and both are used again.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// text returns the contents of a JSON string literal (with its quotes, already
// checked by the parser) as UTF-8. It aliases the record unless the literal
// has escapes or invalid UTF-8, which are resolved into the scratch.
func (d *Decoder) text(literal []byte) string {
	body := literal[1 : len(literal)-1]
	escaped := bytes.IndexByte(body, '\\') >= 0
	if !escaped && (d.validUTF8 || utf8.Valid(body)) {
		return alias(body)
	}
	start := len(d.scratch)
	d.scratch = appendUnescaped(d.scratch, body)
	return alias(d.scratch[start:])
}

// appendUnescaped appends the text that the body of a JSON string stands for.
// The escapes are known to be well-formed. Invalid UTF-8 and halves of
// surrogate pairs become U+FFFD, as encoding/json has it.
func appendUnescaped(dst, body []byte) []byte {
	for {
		escape := bytes.IndexByte(body, '\\')
		if escape < 0 {
			return appendValid(dst, body)
		}
		dst = appendValid(dst, body[:escape])
		var n int
		dst, n = appendEscape(dst, body[escape:])
		body = body[escape+n:]
	}
}

// appendValid appends a text with invalid UTF-8 replaced.
func appendValid(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
	return dst
}

// appendEscape appends the character of the escape that s starts with and
// returns the length of the escape.
func appendEscape(dst, s []byte) ([]byte, int) {
	switch s[1] {
	case 'u':
		r := hexRune(s[2:6])
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r), 6
		}
		if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(s[8:12])); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), 12
			}
		}
		return utf8.AppendRune(dst, utf8.RuneError), 6
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	default: // a quote, a backslash or a slash stands for itself
		return append(dst, s[1]), 2
	}
}

func hexRune(digits []byte) rune {
	var r rune
	for _, c := range digits {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune((c|0x20)-'a'+10)
		}
	}
	return r
}

// cut shortens text to the limit at the boundary of a character.
func (d *Decoder) cut(text string) string {
	limit := d.cfg.MaxFieldBytes
	if len(text) <= limit {
		return text
	}
	d.result.Truncated++
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
