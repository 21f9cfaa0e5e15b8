package family

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// MaxName bounds the length of a family's name, in bytes.
const MaxName = 120

// nameOf returns the name of a family with the given members, in ascending
// order, at least one: the key of the only one, or what most of the members'
// keys have in common, word by word, with "*" for what differs, and how many
// members it does not cover ("+2"). Where nothing but the kind is common it is
// the first member's key and the number of the others.
func nameOf(members []string) string {
	best, covers := members[0], 1
	shapes := make(map[string][]string)
	for _, key := range members {
		shape := shapeOf(key)
		shapes[shape] = append(shapes[shape], key)
	}
	type candidate struct {
		pattern string
		members int
	}
	var all []candidate
	for _, like := range shapes {
		if p := common(like); p != "" {
			all = append(all, candidate{pattern: p, members: len(like)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.members, a.members), cmp.Compare(a.pattern, b.pattern))
	})
	if len(all) > 0 {
		best, covers = all[0].pattern, all[0].members
	}
	suffix := ""
	if rest := len(members) - covers; rest > 0 {
		suffix = fmt.Sprintf(" +%d", rest)
	}
	return shortened(best, MaxName-len(suffix)) + suffix
}

// shapeOf is the same for keys that can be held against each other part by
// part: those with as many roles of the same kinds.
func shapeOf(key string) string {
	var b strings.Builder
	for role := range strings.SplitSeq(key, rbac.KeySeparator) {
		kind, rest, _ := strings.Cut(role, "/")
		if rest != "" {
			b.WriteString(kind)
		}
		fmt.Fprintf(&b, "/%d,", strings.Count(rest, "/"))
	}
	return b.String()
}

// common returns what keys of one shape have in common, and "" when that is
// nothing but their kinds.
func common(keys []string) string {
	if len(keys) == 1 {
		return keys[0]
	}
	split := func(key string) []string {
		return strings.FieldsFunc(key, func(r rune) bool { return r == '/' || r == ',' })
	}
	parts := make([][]string, len(keys))
	for i, key := range keys {
		parts[i] = split(key)
		if len(parts[i]) != len(parts[0]) {
			return ""
		}
	}
	telling := false
	column := make([]string, len(keys))
	for c, part := range parts[0] {
		for i := range parts {
			column[i] = parts[i][c]
		}
		parts[0][c] = commonWords(column)
		kind := part == "Role" || part == "ClusterRole"
		telling = telling || !kind && parts[0][c] != "*"
	}
	if !telling {
		return ""
	}
	var b strings.Builder
	rest := keys[0]
	for c, part := range parts[0] {
		b.WriteString(part)
		if c+1 < len(parts[0]) {
			i := strings.IndexAny(rest, "/,")
			b.WriteByte(rest[i])
			rest = rest[i+1:]
		}
	}
	return b.String()
}

// commonWords returns the words that all texts begin and end with, and "*" for
// what is between them.
func commonWords(texts []string) string {
	first := words(texts[0])
	prefix, suffix, same := len(first), len(first), true
	for _, text := range texts[1:] {
		if text == texts[0] {
			continue
		}
		same = false
		w := words(text)
		n := 0
		for n < min(prefix, len(w)) && w[n] == first[n] {
			n++
		}
		prefix = n
		n = 0
		for n < min(suffix, len(w)) && w[len(w)-1-n] == first[len(first)-1-n] {
			n++
		}
		suffix = n
	}
	if same {
		return texts[0]
	}
	for _, text := range texts {
		suffix = min(suffix, len(words(text))-prefix)
	}
	return strings.Join(first[:prefix], "") + "*" + strings.Join(first[len(first)-suffix:], "")
}

// words cuts a text into words and the characters between them.
func words(text string) []string {
	var all []string
	for len(text) > 0 {
		i := strings.IndexAny(text, "-.:_@")
		if i < 0 {
			return append(all, text)
		}
		if i > 0 {
			all = append(all, text[:i])
		}
		all = append(all, text[i:i+1])
		text = text[i+1:]
	}
	return all
}

// shortened returns the beginning of a text and "…" where it is longer than a
// number of bytes.
func shortened(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
