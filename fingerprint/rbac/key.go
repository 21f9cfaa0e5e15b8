package rbac

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Role names a Role or a ClusterRole.
type Role struct {
	// Namespace is empty for a ClusterRole and never empty for a Role.
	Namespace string
	Name      string
}

// The prefixes of role keys. No key of another source begins with them.
const (
	clusterRolePrefix = "ClusterRole/"
	rolePrefix        = "Role/"
)

// KeySeparator stands between the roles of a key that has several. It never
// occurs inside a role's own key.
const KeySeparator = ","

// KeyCut stands where a key that was too long was cut off. The roles behind it
// cannot be told. It never occurs in a key that is whole.
const KeyCut = "~"

// Key returns the role's key: "ClusterRole/name" or "Role/namespace/name",
// with the names escaped as by [AppendName].
func (r Role) Key() string { return string(r.appendKey(nil)) }

func (r Role) appendKey(dst []byte) []byte {
	if r.Namespace == "" {
		return AppendName(append(dst, clusterRolePrefix...), r.Name)
	}
	dst = AppendName(append(dst, rolePrefix...), r.Namespace)
	return AppendName(append(dst, '/'), r.Name)
}

// JoinKeys returns the canonical key of a set of roles given by their own
// keys: sorted, each once, separated by [KeySeparator]. It is empty for an
// empty set. It sorts keys in place.
func JoinKeys(keys []string) string {
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), KeySeparator)
}

// AppendName appends a name to a key. A key is made of names that others have
// chosen, so what could be mistaken for the key's own structure (comma, slash,
// tilde, percent), control characters, characters that do not print and bytes
// that are not UTF-8 are written as %XX. Different names stay different.
func AppendName(dst []byte, name string) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		if c < utf8.RuneSelf {
			if plain(c) {
				dst = append(dst, c)
			} else {
				dst = appendEscaped(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, b := range []byte(name[i : i+n]) {
				dst = appendEscaped(dst, b)
			}
		} else {
			dst = append(dst, name[i:i+n]...)
		}
		i += n
	}
	return dst
}

// plain reports whether an ASCII character stands for itself in a key.
func plain(c byte) bool {
	switch c {
	case ',', '/', '~', '%':
		return false
	}
	return c >= ' ' && c < 0x7f
}

func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789ABCDEF"
	return append(dst, '%', hex[c>>4], hex[c&15])
}
