package peer

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// kind is one kind of thing to do.
type kind struct {
	apiGroup, resource string
	access             fingerprint.Access
}

func kindOf(k *fingerprint.ClusterKey) kind {
	return kind{apiGroup: k.APIGroup, resource: k.Resource, access: k.Access}
}

func compareKinds(a, b kind) int {
	return cmp.Or(
		cmp.Compare(a.apiGroup, b.apiGroup),
		cmp.Compare(a.resource, b.resource),
		cmp.Compare(a.access, b.access),
	)
}

// scene is who did what in one evaluation, in dense numbers. It is reused from
// one evaluation to the next.
type scene struct {
	subjects numbering[string]
	roles    numbering[string] // role keys
	groups   numbering[string] // role families; a role without one is its own
	kinds    numbering[kind]   // in the end in ascending order
	items    numbering[item]

	roleGroup []int32 // of roles
	places    []place // one for each window
	acts      []act   // in the order of the windows
	byItem    []int32 // acts, in order of item and kind

	names []cluster.Count
	order []int32
}

// item is a subject under its role family.
type item struct{ group, subject int32 }

// place is where a window belongs, and its acts.
type place struct {
	role, group, kind int32
	first, end        int32 // of acts
}

// act is what one subject did in one window.
type act struct {
	window, kind, item int32
	subject            int32
	events             uint32
}

// numbering gives out dense numbers.
type numbering[K comparable] struct {
	at   map[K]int32
	keys []K
}

func (n *numbering[K]) reset() {
	if n.at == nil {
		n.at = make(map[K]int32)
	}
	clear(n.at)
	clear(n.keys) // what is gone is not held
	n.keys = n.keys[:0]
}

func (n *numbering[K]) of(k K) int32 {
	if i, ok := n.at[k]; ok {
		return i
	}
	i := int32(len(n.keys))
	n.at[k] = i
	n.keys = append(n.keys, k)
	return i
}

// read fills the scene.
func (sc *scene) read(ev *cluster.Evaluation, cfg *Config, groupOf func(role string) string) {
	sc.subjects.reset()
	sc.roles.reset()
	sc.groups.reset()
	sc.kinds.reset()
	sc.items.reset()
	sc.roleGroup, sc.places, sc.acts = sc.roleGroup[:0], sc.places[:0], sc.acts[:0]
	for i := range ev.Windows {
		sc.readWindow(&ev.Windows[i], int32(i), cfg.MaxSubjects, groupOf)
	}
	sc.limit(ev, cfg.MaxMembers)
	sc.sortKinds()
	sc.arrange()
}

func (sc *scene) readWindow(w *cluster.Window, window int32, limit int, groupOf func(role string) string) {
	key := w.Cluster
	first := int32(len(sc.acts))
	if key.Role == cluster.OverflowName && key.Resource == "" {
		// What is beyond the budgets is nobody's behaviour.
		sc.places = append(sc.places, place{first: first, end: first})
		return
	}
	role := sc.roles.of(key.Role)
	if int(role) == len(sc.roleGroup) {
		sc.roleGroup = append(sc.roleGroup, sc.groups.of(groupOf(key.Role)))
	}
	p := place{role: role, group: sc.roleGroup[role], kind: sc.kinds.of(kindOf(key)), first: first}
	sc.names = w.AppendTop(sc.names[:0], cluster.BySubject, limit)
	for _, c := range sc.names {
		if c.Events > 0 {
			sc.acts = append(sc.acts, act{window: window, kind: p.kind, subject: sc.subjects.of(c.Name), events: c.Events})
		}
	}
	p.end = int32(len(sc.acts))
	sc.places = append(sc.places, p)
}

// limit keeps at most so many acts, chosen by a hash.
func (sc *scene) limit(ev *cluster.Evaluation, most int) {
	if len(sc.acts) <= most {
		return
	}
	hash := func(a *act) uint64 { return hashOf(ev.Windows[a.window].Cluster.ID, sc.subjects.keys[a.subject]) }
	slices.SortFunc(sc.acts, func(a, b act) int { return cmp.Compare(hash(&a), hash(&b)) })
	sc.acts = sc.acts[:most]
	slices.SortFunc(sc.acts, func(a, b act) int {
		return cmp.Or(cmp.Compare(a.window, b.window), cmp.Compare(b.events, a.events), cmp.Compare(a.subject, b.subject))
	})
	next := int32(0)
	for i := range sc.places {
		sc.places[i].first = next
		for int(next) < len(sc.acts) && sc.acts[next].window == int32(i) {
			next++
		}
		sc.places[i].end = next
	}
}

// hashOf tells apart what no value does.
func hashOf(id fingerprint.ID, subject string) uint64 {
	return xxhash.Sum64String(subject) ^ uint64(id)*0x9e3779b97f4a7c15
}

// sortKinds numbers the kinds in ascending order, so that sums over them run in
// an order that names of people and things do not decide.
func (sc *scene) sortKinds() {
	n := len(sc.kinds.keys)
	sc.order = sc.order[:0]
	for i := range n {
		sc.order = append(sc.order, int32(i))
	}
	slices.SortFunc(sc.order, func(a, b int32) int { return compareKinds(sc.kinds.keys[a], sc.kinds.keys[b]) })
	for rank, i := range sc.order {
		sc.kinds.at[sc.kinds.keys[i]] = int32(rank)
	}
	for i := range sc.acts {
		a := &sc.acts[i]
		a.kind = sc.kinds.at[sc.kinds.keys[a.kind]]
	}
	for i := range sc.places {
		if p := &sc.places[i]; p.first < p.end {
			p.kind = sc.kinds.at[sc.kinds.keys[p.kind]]
		}
	}
	slices.SortFunc(sc.kinds.keys, compareKinds)
}

// arrange numbers the items and orders the acts by item and kind.
func (sc *scene) arrange() {
	sc.byItem = sc.byItem[:0]
	for i := range sc.acts {
		a := &sc.acts[i]
		a.item = sc.items.of(item{group: sc.places[a.window].group, subject: a.subject})
		sc.byItem = append(sc.byItem, int32(i))
	}
	slices.SortFunc(sc.byItem, func(i, j int32) int {
		a, b := &sc.acts[i], &sc.acts[j]
		return cmp.Or(cmp.Compare(a.item, b.item), cmp.Compare(a.kind, b.kind), cmp.Compare(i, j))
	})
}
