package family

import (
	"fmt"
	"maps"
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
	shapes := make(map[string][]string)
	for _, key := range members {
		shape := shapeOf(key)
		shapes[shape] = append(shapes[shape], key)
	}
	name, covers := members[0], 1
	for _, shape := range slices.Sorted(maps.Keys(shapes)) {
		like := shapes[shape]
		if pattern := common(like); pattern != "" && len(like) > covers {
			name, covers = pattern, len(like)
		}
	}
	suffix := ""
	if rest := len(members) - covers; rest > 0 {
		suffix = fmt.Sprintf(" +%d", rest)
	}
	return shortened(name, MaxName-len(suffix)) + suffix
}

// splitKey returns the parts of a key and the separators between them: of
// "ClusterRole/view,Role/a/b" they are five and "/,//".
func splitKey(key string) (parts []string, separators string) {
	for {
		i := strings.IndexAny(key, "/"+rbac.KeySeparator)
		if i < 0 {
			return append(parts, key), separators
		}
		parts = append(parts, key[:i])
		separators += key[i : i+1]
		key = key[i+1:]
	}
}

// isKind reports whether the n-th part of a key is the kind of a role.
func isKind(separators string, n int) bool {
	return (n == 0 || separators[n-1] != '/') && n < len(separators) && separators[n] == '/'
}

// shapeOf is the same for keys that can be held against each other part by
// part: those with as many roles of the same kinds.
func shapeOf(key string) string {
	parts, separators := splitKey(key)
	shape := separators
	for n, part := range parts {
		if isKind(separators, n) {
			shape += " " + part
		}
	}
	return shape
}

// common returns what keys of one shape have in common, and "" when that is
// nothing but their kinds.
func common(keys []string) string {
	if len(keys) == 1 {
		return keys[0]
	}
	_, separators := splitKey(keys[0])
	columns := make([][]string, len(separators)+1)
	for _, key := range keys {
		parts, _ := splitKey(key)
		for n, part := range parts {
			columns[n] = append(columns[n], part)
		}
	}
	telling := false
	var b strings.Builder
	for n, column := range columns {
		words := commonWords(column)
		telling = telling || !isKind(separators, n) && words != "*"
		b.WriteString(words)
		if n < len(separators) {
			b.WriteByte(separators[n])
		}
	}
	if !telling {
		return ""
	}
	return b.String()
}

// commonWords returns the words that all texts begin and end with, and "*" for
// what is between them; the text itself where all are the same.
func commonWords(texts []string) string {
	if !slices.ContainsFunc(texts, func(text string) bool { return text != texts[0] }) {
		return texts[0]
	}
	first := words(texts[0])
	prefix, suffix, shortest := len(first), len(first), len(first)
	for _, text := range texts[1:] {
		w := words(text)
		shortest = min(shortest, len(w))
		prefix = agreeing(min(prefix, shortest), func(n int) bool { return w[n] == first[n] })
		suffix = agreeing(min(suffix, shortest), func(n int) bool { return w[len(w)-1-n] == first[len(first)-1-n] })
	}
	suffix = min(suffix, shortest-prefix)
	return strings.Join(first[:prefix], "") + "*" + strings.Join(first[len(first)-suffix:], "")
}

// agreeing returns how many from the first on, at most limit, are the same.
func agreeing(limit int, same func(n int) bool) int {
	n := 0
	for n < limit && same(n) {
		n++
	}
	return n
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
