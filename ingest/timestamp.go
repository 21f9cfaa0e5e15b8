package ingest

// parseTimestamp parses an RFC 3339 time into Unix nanoseconds without
// allocating. Digits of the fraction beyond the ninth are dropped. The years
// 1970 to 2261 are accepted, which is what fits.
func parseTimestamp(s string) (nanos int64, ok bool) {
	// 2006-01-02T15:04:05Z is the shortest.
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year := 100*twoDigits(s, 0) + twoDigits(s, 2)
	month, day := twoDigits(s, 5), twoDigits(s, 8)
	hour, minute, second := twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17)
	switch {
	case year < 1970 || year > 2261 || twoDigits(s, 0) < 0 || twoDigits(s, 2) < 0,
		month < 1 || month > 12,
		day < 1 || day > daysIn(year, month),
		hour < 0 || hour > 23, minute < 0 || minute > 59, second < 0 || second > 59:
		return 0, false
	}
	rest, fraction, ok := parseFraction(s[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseZone(rest)
	if !ok {
		return 0, false
	}
	secs := daysSinceEpoch(year, month, day)*86400 + int64(hour*3600+minute*60+second-offset)
	if secs < 0 {
		return 0, false
	}
	return secs*1e9 + fraction, true
}

// twoDigits returns the number at s[i:i+2], or a negative one if those are not
// two digits. The caller has checked the length.
func twoDigits(s string, i int) int {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1 << 16
	}
	return int(a)*10 + int(b)
}

// parseFraction reads an optional fraction of a second, in nanoseconds.
func parseFraction(s string) (rest string, nanos int64, ok bool) {
	if s == "" || s[0] != '.' {
		return s, 0, true
	}
	i, scale := 1, int64(1e8)
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		nanos += int64(s[i]-'0') * scale
		scale /= 10
	}
	return s[i:], nanos, i > 1
}

// parseZone reads "Z" or "+hh:mm" and returns seconds east of UTC.
func parseZone(s string) (seconds int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':' {
		return 0, false
	}
	hours, minutes := twoDigits(s, 1), twoDigits(s, 4)
	if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
		return 0, false
	}
	seconds = hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// daysBefore is the number of days of a common year before a month.
var daysBefore = [13]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	if month == 2 && isLeap(year) {
		return 29
	}
	return monthDays[month]
}

// daysSinceEpoch counts the days from 1970-01-01 in the Gregorian calendar.
func daysSinceEpoch(year, month, day int) int64 {
	y := year - 1
	days := 365*(year-1970) + (y/4 - y/100 + y/400) - (1969/4 - 1969/100 + 1969/400)
	days += daysBefore[month] + day - 1
	if month > 2 && isLeap(year) {
		days++
	}
	return int64(days)
}
