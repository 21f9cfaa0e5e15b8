package ingest

// cardEnd returns the end of the payment card number that starts at start,
// where s[start:end] is the whole run of digits there, or 0 if there is none.
//
// A number is taken for a card's if an issuer has the prefix and the length,
// its check digit (Luhn, ISO/IEC 7812-1) is right, and it stands alone: as one
// run of digits, or in the groups that are printed on a card. So Unix times,
// dates, UUIDs and hashes are left alone.
func cardEnd(s string, start, end int) int {
	var digits [19]byte
	n := 0
	if end-start == 4 && end < len(s) && (s[end] == ' ' || s[end] == '-') {
		n, end = groupedDigits(s, start, &digits)
	} else if end-start <= len(digits) {
		n = copy(digits[:], s[start:end])
	}
	if n < 13 || end < len(s) && isWordByte(s[end]) || !issued(digits[:n]) || !luhn(digits[:n]) {
		return 0
	}
	return end
}

// groupedDigits reads groups of digits with one separator between them: 4-4-4-4,
// 4-4-4-4-3, 4-6-5 or 4-6-4. Anything longer or of another shape is no card.
func groupedDigits(s string, start int, digits *[19]byte) (n, end int) {
	separator := s[start+4]
	if start > 1 && s[start-1] == separator && s[start-2]-'0' <= 9 {
		return 0, start // the middle of something longer
	}
	var groups [6]int
	g, i := 0, start
	for ; i < len(s) && g < len(groups); g++ {
		from := i
		for i < len(s) && s[i]-'0' <= 9 && n < len(digits) {
			digits[n] = s[i]
			n, i = n+1, i+1
		}
		groups[g] = i - from
		if i+1 >= len(s) || s[i] != separator || s[i+1]-'0' > 9 {
			break
		}
		i++
	}
	switch groups {
	case [6]int{4, 4, 4, 4}, [6]int{4, 4, 4, 4, 3}, [6]int{4, 6, 5}, [6]int{4, 6, 4}:
		return n, i
	}
	return 0, start
}

// issued reports whether an issuer of cards uses the prefix at this length.
func issued(digits []byte) bool {
	n := len(digits)
	four := 0
	for _, c := range digits[:4] {
		four = four*10 + int(c-'0')
	}
	switch {
	case four/1000 == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case four/100 == 34, four/100 == 37: // American Express
		return n == 15
	case four/100 >= 51 && four/100 <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case four/10 >= 300 && four/10 <= 305, four/100 == 36, four/100 == 38, four/100 == 39: // Diners Club
		return n == 14 || n == 16
	case four >= 3528 && four <= 3589, // JCB
		four == 6011, four/10 >= 644 && four/10 <= 659, // Discover
		four/100 == 62: // UnionPay
		return n >= 16
	}
	return false
}

// luhn reports whether the last digit is the right check digit.
func luhn(digits []byte) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		v := int(digits[i] - '0')
		if double {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
		double = !double
	}
	return sum%10 == 0
}
