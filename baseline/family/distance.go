package family

import (
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// item is one or more roles of a class that are identical but for their key.
type item struct {
	roles   []int // indexes, ascending
	profile profile
}

// profile is what a role is compared by.
type profile struct {
	ruled   bool     // its rules are known
	allowed int      // how many permissions it has
	bits    []uint64 // those of them that another role has too, as a set of dense numbers

	events  float64
	kinds   []int32   // dense numbers of the kinds
	weights []float64 // of the kinds, of length 1 together (Euclidean)
}

// matrix is a symmetric square of distances.
type matrix struct {
	n int
	d []float64
}

func newMatrix(n int) matrix { return matrix{n: n, d: make([]float64, n*n)} }

func (m matrix) row(i int) []float64 { return m.d[i*m.n : (i+1)*m.n] }

func (m matrix) set(i, j int, d float64) {
	m.d[i*m.n+j] = d
	m.d[j*m.n+i] = d
}

// itemsOf puts identical roles together, in the order of the first of each.
// That makes them one family whatever their order, and a landscape of many
// like roles small.
func itemsOf(roles []Role) []item {
	var items []item
	at := make(map[uint64][]int) // items by the hash of their roles
	for i := range roles {
		h := roles[i].hash()
		same := slices.IndexFunc(at[h], func(j int) bool { return identical(&roles[items[j].roles[0]], &roles[i]) })
		if same >= 0 {
			it := &items[at[h][same]]
			it.roles = append(it.roles, i)
			continue
		}
		at[h] = append(at[h], len(items))
		items = append(items, item{roles: []int{i}})
	}
	profiles(roles, items)
	return items
}

// identical reports whether nothing but the key tells two roles apart. Those
// whose rules are not known only look identical: with two events of the same
// kind each, say.
func identical(a, b *Role) bool {
	return a.Permissions != nil && b.Permissions != nil &&
		slices.Equal(a.Permissions, b.Permissions) && slices.Equal(a.Behaviour, b.Behaviour)
}

// hash is equal for identical roles.
func (r *Role) hash() uint64 {
	h := uint64(len(r.Permissions))
	for _, p := range r.Permissions {
		h = bits.RotateLeft64(h^p, 27) * 0x9e3779b97f4a7c15
	}
	for _, a := range r.Behaviour {
		h = bits.RotateLeft64(h^a.Kind, 27) * 0x9e3779b97f4a7c15
		h = bits.RotateLeft64(h^math.Float64bits(a.Events), 27) * 0x9e3779b97f4a7c15
	}
	return h
}

// profiles fills in the items' profiles.
func profiles(roles []Role, items []item) {
	numbers, shared := numbered(roles, items)
	kinds := make(map[uint64]int32)
	for i := range items {
		r, p := &roles[items[i].roles[0]], &items[i].profile
		p.ruled, p.allowed = r.Permissions != nil, len(r.Permissions)
		for _, n := range numbers[:p.allowed] {
			if shared[n] >= 0 {
				p.put(shared[n])
			}
		}
		numbers = numbers[p.allowed:]
		p.behave(r.Behaviour, kinds)
	}
}

// typicalPermissions is about how many different permissions the rules of a
// cluster spell out, to begin with.
const typicalPermissions = 2048

// numbered numbers the permissions: those of one item after the other. Shared
// has a dense number for each that more than one item has and -1 for the
// others, which are in no intersection.
func numbered(roles []Role, items []item) (numbers, shared []int32) {
	total := 0
	for i := range items {
		total += len(roles[items[i].roles[0]].Permissions)
	}
	numbers = make([]int32, 0, total)
	number := make(map[uint64]int32, min(total, typicalPermissions))
	var holders []int32
	for i := range items {
		for _, p := range roles[items[i].roles[0]].Permissions {
			n, ok := number[p]
			if !ok {
				n = int32(len(holders))
				number[p] = n
				holders = append(holders, 0)
			}
			holders[n]++
			numbers = append(numbers, n)
		}
	}
	next := int32(0)
	for n := range holders {
		if holders[n] < 2 {
			holders[n] = -1
			continue
		}
		holders[n] = next
		next++
	}
	return numbers, holders
}

func (p *profile) put(n int32) {
	word := int(n / 64)
	p.bits = slices.Grow(p.bits, max(word+1-len(p.bits), 0))
	for len(p.bits) <= word {
		p.bits = append(p.bits, 0)
	}
	p.bits[word] |= 1 << (n % 64)
}

func (p *profile) behave(did []Activity, kinds map[uint64]int32) {
	square := 0.0
	p.kinds, p.weights = make([]int32, 0, len(did)), make([]float64, 0, len(did))
	for _, a := range did {
		if a.Events <= 0 {
			continue
		}
		n, ok := kinds[a.Kind]
		if !ok {
			n = int32(len(kinds))
			kinds[a.Kind] = n
		}
		w := math.Log1p(a.Events)
		p.events += a.Events
		p.kinds = append(p.kinds, n)
		p.weights = append(p.weights, w)
		square += w * w
	}
	length := math.Sqrt(square)
	for i := range p.weights {
		p.weights[i] /= length
	}
}

// distances returns the distance of every two items; see [Config.Cut]. Enough
// is how many events weigh half as much as the rules.
func distances(items []item, enough float64) matrix {
	m := newMatrix(len(items))
	kinds := 0
	for i := range items {
		for _, k := range items[i].profile.kinds {
			kinds = max(kinds, int(k)+1)
		}
	}
	own := make([]float64, kinds) // the weights of item i, by kind
	for i := range items {
		p := &items[i].profile
		for k, n := range p.kinds {
			own[n] = p.weights[k]
		}
		for j := range i {
			m.set(i, j, p.distance(&items[j].profile, own, enough))
		}
		for _, n := range p.kinds {
			own[n] = 0
		}
	}
	return m
}

// distance returns the distance of two profiles; own are p's weights by kind.
func (p *profile) distance(o *profile, own []float64, enough float64) float64 {
	behaviour := 1.0
	evidence := min(p.events, o.events)
	evidence /= evidence + enough
	if evidence > 0 {
		cosine := 0.0
		for k, n := range o.kinds {
			cosine += own[n] * o.weights[k]
		}
		behaviour = max(1-cosine, 0)
	}
	if !p.ruled || !o.ruled {
		return 1 - evidence*(1-behaviour)
	}
	return (p.rules(o) + evidence*behaviour) / (1 + evidence)
}

// rules returns the Jaccard distance of what the rules of two profiles allow.
func (p *profile) rules(o *profile) float64 {
	both := 0
	short, long := p.bits, o.bits
	if len(short) > len(long) {
		short, long = long, short
	}
	long = long[:len(short)]
	for w, b := range short {
		both += bits.OnesCount64(b & long[w])
	}
	either := p.allowed + o.allowed - both
	if either == 0 {
		return 0
	}
	return 1 - float64(both)/float64(either)
}

// kindOf is the [Activity.Kind] of a resource and the class of the verb.
func kindOf(group, resource string, access uint8) uint64 {
	b := make([]byte, 0, 128)
	b = append(append(b, group...), 0)
	b = append(append(b, resource...), 0, access)
	return xxhash.Sum64(b)
}
