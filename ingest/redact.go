package ingest

import "strings"

// redact masks the secrets in a text: each is replaced by a marker that says
// what it was. Text without any, which is nearly all, is returned as it is.
func (d *Decoder) redact(text string) string {
	if len(text) < shortestSecret {
		return text
	}
	search := search{text: text}
	secret, found := search.next(0)
	if !found {
		return text
	}
	mark, from := len(d.scratch), 0
	for found {
		d.result.Redacted++
		d.scratch = append(d.scratch, text[from:secret.start]...)
		d.scratch = append(d.scratch, "[redacted:"...)
		d.scratch = append(d.scratch, secret.kind...)
		d.scratch = append(d.scratch, ']')
		from = secret.end
		secret, found = search.next(from)
	}
	d.scratch = append(d.scratch, text[from:]...)
	return alias(d.scratch[mark:])
}

// shortestSecret is the length in bytes of the shortest thing that is masked, a
// card number of 13 digits.
const shortestSecret = 13

// secret is a part of a text that is to be masked.
type secret struct {
	start, end int
	kind       string
}

// trigger marks the bytes at which a matcher has to look: each shape of secret
// has one byte that is rare in names, paths and agents.
var trigger = [256]bool{
	'J': true, 'I': true, 'x': true, '_': true, 'z': true, '-': true, ' ': true, '.': true,
	'0': true, '1': true, '2': true, '3': true, '4': true,
	'5': true, '6': true, '7': true, '8': true, '9': true,
}

// search looks for the secrets of one text, in time in proportion to its length.
type search struct {
	text string
	// noJWT is the end of a run of base64url that no payload follows: no header
	// of a JWT begins before it, however often the text looks like it.
	noJWT int
}

// next returns the first secret of the text at or after from.
func (q *search) next(from int) (secret, bool) {
	s := q.text
	for i := from; i < len(s); i++ {
		c := s[i]
		if !trigger[c] {
			continue
		}
		if c-'0' <= 9 {
			end := i + 1
			for end < len(s) && s[end]-'0' <= 9 {
				end++
			}
			// A card number starts where a word starts, with four digits or more.
			// Digits after a dot are a suffix, as in the names of Event objects.
			if end-i >= 4 && !wordBefore(s, i) && (i == 0 || s[i-1] != '.') {
				if stop := cardEnd(s, i, end); stop > 0 {
					return secret{i, stop, "card"}, true
				}
			}
			i = end - 1
			continue
		}
		if !suspicious(s, i) {
			continue
		}
		if found := q.around(i); found.end > 0 && found.start >= from {
			return found, true
		}
	}
	return secret{}, false
}

// suspicious looks at the neighbours of the triggers that names are full of,
// before a matcher is called.
func suspicious(s string, i int) bool {
	switch s[i] {
	case '-':
		return i >= 5 && s[i-1] == 't'
	case ' ':
		return i >= 6 && s[i-1]|0x20 == 'r'
	case '.':
		return i >= 6 && i+17 <= len(s)
	}
	return true
}

// around returns the secret that the trigger byte at i is the tell-tale of, or
// one that ends at 0.
func (q *search) around(i int) secret {
	s := q.text
	switch s[i] {
	case 'J':
		return q.jwtAt(i - 2)
	case 'I':
		return awsKeyAt(s, i-2)
	case 'x':
		if i+4 < len(s) && s[i:i+3] == "xox" && s[i+4] == '-' {
			return tokenAt(s, i, i+5, 10, isNameByte, "slack_token")
		}
	case '_':
		switch {
		case i >= 3 && s[i-3:i-1] == "gh" && strings.IndexByte("pousr", s[i-1]) >= 0:
			return tokenAt(s, i-3, i+1, 36, isWordByte, "github_token")
		case i >= 10 && s[i-10:i] == "github_pat":
			return tokenAt(s, i-10, i+1, 22, isBase64URL, "github_token")
		case i >= 7 && (s[i-7:i] == "sk_live" || s[i-7:i] == "rk_live"):
			return tokenAt(s, i-7, i+1, 16, isWordByte, "stripe_key")
		}
	case 'z':
		if i >= 2 && s[i-2:i] == "AI" && i+1 < len(s) && s[i+1] == 'a' {
			return tokenAt(s, i-2, i+2, 35, isBase64URL, "google_key")
		}
	case '-':
		if i >= 5 && s[i-5:i] == "glpat" {
			return tokenAt(s, i-5, i+1, 20, isBase64URL, "gitlab_token")
		}
	case ' ':
		if i >= 6 && strings.EqualFold(s[i-6:i], "bearer") {
			end := span(s, i+1, isToken68)
			if end-i-1 >= 16 {
				return secret{i + 1, end, "bearer"}
			}
		}
	case '.':
		return bootstrapTokenAround(s, i)
	}
	return secret{}
}

// tokenAt returns the token that starts at start if its body, from body on, has
// at least least bytes of the class and starts a word.
func tokenAt(s string, start, body, least int, class func(byte) bool, kind string) secret {
	if wordBefore(s, start) {
		return secret{}
	}
	end := span(s, body, class)
	if end-body < least {
		return secret{}
	}
	return secret{start, end, kind}
}

// jwtAt matches header.payload[.signature] in base64url, where the header
// starts like an encoded JSON object. A token cut off after the payload is
// still one.
func (q *search) jwtAt(start int) secret {
	s := q.text
	if start < q.noJWT || s[start:start+2] != "ey" || wordBefore(s, start) {
		return secret{}
	}
	header := span(s, start, isBase64URL)
	if header-start < 10 || header == len(s) || s[header] != '.' {
		q.noJWT = header
		return secret{}
	}
	end := span(s, header+1, isBase64URL)
	if end-header-1 < 8 {
		q.noJWT = header
		return secret{}
	}
	if end < len(s) && s[end] == '.' {
		end = span(s, end+1, isBase64URL)
	}
	return secret{start, end, "jwt"}
}

// awsKeyAt matches the id of an AWS access key: AKIA or ASIA and 16 of A-Z2-7.
func awsKeyAt(s string, start int) secret {
	if start < 0 || start+20 > len(s) || wordBefore(s, start) ||
		(s[start:start+4] != "AKIA" && s[start:start+4] != "ASIA") {
		return secret{}
	}
	end := span(s, start+4, func(c byte) bool { return c-'A' < 26 || c-'2' < 6 })
	if end != start+20 || end < len(s) && isWordByte(s[end]) {
		return secret{}
	}
	return secret{start, end, "aws_key"}
}

// bootstrapTokenAround matches the bootstrap token of a Kubernetes node: six
// characters, the dot at i, and sixteen, of a-z0-9. The names of Event objects
// look the same but for their sixteen being hexadecimal digits, and names of
// hosts but for being words: so the sixteen must have a letter past f, and
// change between letters and digits at least three times, as 19 in 20 random
// ones do.
func bootstrapTokenAround(s string, i int) secret {
	start, end := i-6, i+17
	if start < 0 || end > len(s) || start > 0 && isHostByte(s[start-1]) || end < len(s) && isHostByte(s[end]) {
		return secret{}
	}
	pastF, changes := false, 0
	for j := start; j < end; j++ {
		c := s[j]
		if j == i {
			continue
		}
		if c-'0' > 9 && c-'a' >= 26 {
			return secret{}
		}
		if j > i+1 {
			pastF = pastF || c > 'f'
			if (c <= '9') != (s[j-1] <= '9') {
				changes++
			}
		}
	}
	if !pastF || changes < 3 {
		return secret{}
	}
	return secret{start, end, "bootstrap_token"}
}

// span returns the end of the run of bytes of a class that starts at from.
func span(s string, from int, class func(byte) bool) int {
	for from < len(s) && class(s[from]) {
		from++
	}
	return from
}

func wordBefore(s string, i int) bool { return i > 0 && isWordByte(s[i-1]) }

func isWordByte(c byte) bool { return (c|0x20)-'a' < 26 || c-'0' <= 9 }

func isBase64URL(c byte) bool { return isWordByte(c) || c == '-' || c == '_' }

func isNameByte(c byte) bool { return isWordByte(c) || c == '-' }

func isHostByte(c byte) bool { return isNameByte(c) || c == '.' }

func isToken68(c byte) bool {
	return isBase64URL(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '='
}
