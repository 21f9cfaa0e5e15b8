package alert

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		max  int
		want string
	}{
		"plain":               {"system:serviceaccount:ns:name", 64, "system:serviceaccount:ns:name"},
		"empty":               {"", 64, ""},
		"other scripts":       {"Ålesund 東京 Ελλάδα", 64, "Ålesund 東京 Ελλάδα"},
		"stacked vowel marks": {"พิมพ์", 64, "พิมพ์"},
		"terminal escape":     {"a\x1b[31mred\x07", 64, `a\x1b[31mred\x07`},
		"C1 escape":           {"a\u009b31m", 64, `a\u009b31m`},
		"delete":              {"a\x7f", 64, `a\x7f`},
		"line breaks":         {"a\r\nb\u2028c\u0085", 64, `a\x0d\x0ab\u2028c\u0085`},
		"bidi override":       {"user\u202egnp.exe", 64, `user\u202egnp.exe`},
		"bidi isolate":        {"\u2066x\u2069", 64, `\u2066x\u2069`},
		"zero width":          {"ad\u200bmin\ufeff", 64, `ad\u200bmin\ufeff`},
		"invisible letters":   {"a\u3164\u115f\uffa0", 64, `a\u3164\u115f\uffa0`},
		"variation selectors": {"a\ufe0f\U000e0100", 64, `a\ufe0f\U000e0100`},
		"tags":                {"a\U000e0041", 64, `a\U000e0041`},
		"other spaces":        {"a\u00a0b\u3000", 64, `a\u00a0b\u3000`},
		"zalgo":               {"e\u0301\u0302\u0303\u0304\u0305x", 64, "e\u0301\u0302\u0303" + `\u0304\u0305x`},
		"not UTF-8":           {"a\xffb\xc3", 64, `a\xffb\xc3`},
		"half a surrogate":    {"a\xed\xa0\x80", 64, `a\xed\xa0\x80`},
		"backslash stays":     {`DOMAIN\user`, 64, `DOMAIN\user`},
		"at the bound":        {"abcdef", 6, "abcdef"},
		"over the bound":      {"abcdefg", 6, "abc…"},
		"cut at a rune":       {"aé東京", 6, "aé…"},
		"an escape is whole":  {"abc\x1bdef", 8, "abc…"},
		"no room for a mark":  {"abcd", 2, ""},
		"no room":             {"abcd", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(tc.in, tc.max); got != tc.want {
				t.Errorf("Clean(%q, %d) = %q, want %q", tc.in, tc.max, got, tc.want)
			}
		})
	}
}

// harmlessText fails the test when text holds anything that a terminal, a log
// or a reader's eye would take for something else.
func harmlessText(t *testing.T, what, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%s is not UTF-8: %q", what, s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || unicode.Is(invisible, r) {
			t.Errorf("%s holds %U: %q", what, r, s)
			return
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range hostileNames {
		f.Add(seed, 64)
	}
	f.Add("abc", -1)
	f.Fuzz(func(t *testing.T, s string, max int) {
		max %= 4096
		got := Clean(s, max)
		harmlessText(t, "text", got)
		if len(got) > max && got != "" {
			t.Errorf("%d bytes, at most %d wanted", len(got), max)
		}
		if again := Clean(got, max); again != got {
			t.Errorf("cleaned again: %q becomes %q", got, again)
		}
		if isClean(s) && len(s) <= max && got != s {
			t.Errorf("%q was changed to %q", s, got)
		}
	})
}

// hostileNames are user names that somebody could choose.
var hostileNames = []string{
	"\x1b]0;owned\x07\x1b[2J\x1b[31mroot\x1b[0m",
	"\u009b2J\u202egnp.exe\u200b",
	`"><script>alert(1)</script>&amp;`,
	"{{ .ExternalURL }}{{{template \"x\"}}}",
	"a`b'c\"d\\e|f",
	"line\r\nbreak\u2028and\x00nul",
	"\xff\xfe\xed\xa0\x80",
	"${jndi:ldap://x}$__range %s %d",
	strings.Repeat("長", 5000),
	strings.Repeat("e\u0301\u0301\u0301\u0301", 200),
	"~%2e%2e/..,ClusterRole/admin",
	"",
}
