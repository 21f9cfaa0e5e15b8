package rivals

import (
	"slices"
	"strings"

	"github.com/logcluster/logcluster/bench/stream"
)

// drain groups lines by template: the algorithm of He, Zhu, Zheng and Lyu, Drain:
// an online log parsing approach with fixed depth tree (ICWS 2017), written after
// the paper. A line is led by its number of tokens and its first tokens to a leaf,
// and there to the template that it shares the most tokens with; where it shares
// too few it begins a new one. A token that differs becomes a wildcard.
type drain struct {
	root      map[int]*node
	templates []template
	tokens    []string // scratch
}

type node struct {
	children  map[string]*node
	templates []int // of a leaf
}

type template struct{ tokens []string }

const (
	// leading tokens below the length, and children of a node: what is beyond
	// goes under the wildcard. The similarity is the share of tokens that a line
	// must have in common with a template. The values are those of the paper.
	drainLeading    = 2
	drainChildren   = 100
	drainSimilarity = 0.5
	wildcard        = "<*>"
)

func newDrain() *drain { return &drain{root: make(map[int]*node)} }

func (d *drain) series(it *stream.Item) uint64 { return uint64(d.match(it.Line)) }

func (d *drain) clone() grouping {
	c := newDrain()
	for length, n := range d.root {
		c.root[length] = n.clone()
	}
	for _, t := range d.templates {
		c.templates = append(c.templates, template{slices.Clone(t.tokens)})
	}
	return c
}

func (n *node) clone() *node {
	c := &node{templates: slices.Clone(n.templates), children: make(map[string]*node, len(n.children))}
	for token, child := range n.children {
		c.children[token] = child.clone()
	}
	return c
}

// match returns the number of the template of a line.
func (d *drain) match(line string) int {
	d.tokens = d.tokens[:0]
	for token := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ' ' || c == '/' }) {
		d.tokens = append(d.tokens, token)
	}
	leaf := d.leaf()
	best, share := -1, 0.0
	for _, at := range leaf.templates {
		if s := similarity(d.templates[at].tokens, d.tokens); best < 0 || s > share {
			best, share = at, s
		}
	}
	if best >= 0 && share >= drainSimilarity {
		t := d.templates[best].tokens
		for i := range t {
			if t[i] != d.tokens[i] {
				t[i] = wildcard
			}
		}
		return best
	}
	d.templates = append(d.templates, template{append([]string(nil), d.tokens...)})
	leaf.templates = append(leaf.templates, len(d.templates)-1)
	return len(d.templates) - 1
}

// leaf walks down the tree, growing it.
func (d *drain) leaf() *node {
	n := d.root[len(d.tokens)]
	if n == nil {
		n = &node{children: make(map[string]*node)}
		d.root[len(d.tokens)] = n
	}
	for i := range min(drainLeading, len(d.tokens)) {
		token := d.tokens[i]
		if strings.ContainsAny(token, "0123456789") {
			token = wildcard // likely a parameter
		}
		next := n.children[token]
		if next == nil && len(n.children) >= drainChildren {
			token = wildcard
			next = n.children[token]
		}
		if next == nil {
			next = &node{children: make(map[string]*node)}
			n.children[token] = next
		}
		n = next
	}
	return n
}

// similarity is the share of equal tokens of two lists of equal length.
func similarity(a, b []string) float64 {
	if len(a) == 0 {
		return 1
	}
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / float64(len(a))
}
