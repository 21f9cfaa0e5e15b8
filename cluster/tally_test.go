package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var mem slabs
		var tab table
		model := map[uint64]uint32{}
		key := rapid.Map(rapid.Uint64Range(0, 40), func(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 })
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, n := key.Draw(t, "key"), rapid.Uint32Range(1, 100).Draw(t, "n")
				s, added := tab.put(k, &mem)
				if _, had := model[k]; had == added {
					t.Fatalf("put %x: added %v", k, added)
				}
				s.n = n
				model[k] = n
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				s := tab.find(k)
				if _, had := model[k]; had != (s != nil) {
					t.Fatalf("find %x: %v", k, s)
				}
				if s != nil {
					tab.remove(s)
					delete(model, k)
				}
			},
			"reset": func(*rapid.T) {
				tab.reset(&mem)
				clear(model)
			},
			"": func(t *rapid.T) {
				if tab.size != len(model) {
					t.Fatalf("size %d, want %d", tab.size, len(model))
				}
				for k, n := range model {
					if s := tab.find(k); s == nil || s.n != n {
						t.Fatalf("find %x: %v, want %d", k, s, n)
					}
				}
				if got := tab.appendSorted(nil); len(got) != len(model) || !slices.IsSortedFunc(got, compareSlots) {
					t.Fatalf("sorted: %v", got)
				}
			},
		})
	})
}

// A tally keeps the limit smallest keys with their exact counts, in whatever
// order and in however many parts they came.
func TestTallyMergesToTheTallyOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var mem memory
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		keys := rapid.SliceOf(rapid.Uint64Range(1, 60)).Draw(t, "keys")
		parts := make([]tally, rapid.IntRange(1, 4).Draw(t, "parts"))
		want := map[uint64]uint32{}
		for _, k := range keys {
			want[k]++
			if s, _ := parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].add(k, limit, &mem); s != nil {
				s.n++
			}
		}
		var all tally
		for i := range parts {
			parts[i].prune(limit, &mem)
			all.merge(&parts[i], limit, &mem)
		}
		all.prune(limit, &mem)
		var smallest []uint64
		for k := range want {
			smallest = append(smallest, k)
		}
		slices.Sort(smallest)
		smallest = smallest[:min(limit, len(smallest))]
		got := all.appendSorted(nil)
		if len(got) != len(smallest) {
			t.Fatalf("%d keys, want %v", len(got), smallest)
		}
		for i, s := range got {
			if s.key != smallest[i] || s.n != want[s.key] {
				t.Fatalf("entry %d is %+v, want key %d with %d", i, s, smallest[i], want[smallest[i]])
			}
		}
	})
}

func TestNamesAreSweptWhenUnused(t *testing.T) {
	var n names
	kept := n.hold(1, "kept")
	for i := range 10 * idleNames {
		n.release(n.hold(uint64(i%3), fmt.Sprint("passing", i))) // the hash is no more than a guess
	}
	if len(n.byText) > 2*idleNames || n.text(kept) != "kept" {
		t.Fatalf("%d names held, %q", len(n.byText), n.text(kept))
	}
	if id := n.hold(1, "kept"); id != kept {
		t.Fatalf("another id for the same text: %d, %d", id, kept)
	}
}

// Whatever is counted and forgotten, nothing is left behind.
func TestMemoryComesBack(t *testing.T) {
	c := smallConfig()
	c.MaxDistinct = 4
	c.MaxClusters = 10
	w := New(c)
	r := rand.New(rand.NewPCG(3, 4))
	l := newLoad(100, 50)
	v := &counter{}
	for range 20_000 {
		l.add(w, v)
		l.now += int64(r.IntN(50_000_000))
	}
	// A year on, everything is forgotten.
	l.now += 365 * 24 * 3600 * 1e9
	g := &l.events[0]
	g.event.Time = l.now
	w.Add(&g.event, g.print, Origin{RecordTime: l.now})
	w.Advance(v)
	if st := w.Stats(); st.Tenants != 0 || st.Clusters != 0 || st.Seen != 0 {
		t.Errorf("left: %+v", st)
	}
	live := 0
	for _, name := range w.mem.names.list {
		live += int(name.refs)
	}
	if live != 5 {
		t.Errorf("%d references to names, want the five of the event in the open pane", live)
	}
}
