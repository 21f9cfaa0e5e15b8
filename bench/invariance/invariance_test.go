package invariance_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/fxamacker/cbor/v2"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

// renamed is another name for a thing of a kind: another one for every name, in no
// order. What Kubernetes itself has names for keeps them.
func renamed(kind, name string) string {
	if name == "" || strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "kube-") {
		return name
	}
	return kind + strconv.FormatUint(xxhash.Sum64String(kind+"\x00"+name), 36)
}

func renamedUser(name string) string {
	rest, ok := strings.CutPrefix(name, "system:serviceaccount:")
	if !ok {
		return renamed("u", name)
	}
	space, account, _ := strings.Cut(rest, ":")
	if space == "kube-system" {
		return name
	}
	return "system:serviceaccount:" + renamed("n", space) + ":" + renamed("a", account)
}

// renamedRole renames the members of a role key.
func renamedRole(key string) string {
	if space, ok := strings.CutPrefix(key, "serviceaccounts:"); ok {
		return "serviceaccounts:" + renamed("n", space)
	}
	members := strings.Split(key, ",")
	for i, member := range members {
		parts := strings.Split(member, "/")
		switch {
		case len(parts) == 2:
			parts[1] = renamed("r", parts[1])
		case len(parts) == 3:
			parts[1], parts[2] = renamed("n", parts[1]), renamed("r", parts[2])
		}
		members[i] = strings.Join(parts, "/")
	}
	slices.Sort(members)
	return strings.Join(members, ",")
}

// rename gives everything in the items another name.
func rename(items []stream.Item) {
	keys := make(map[*fingerprint.ClusterKey]*fingerprint.ClusterKey)
	prints := make(map[*fingerprint.Fingerprint]*fingerprint.Fingerprint)
	for i := range items {
		it := &items[i]
		fp := prints[it.Print]
		if fp == nil {
			fp = rekeyed(it.Print, keys, func(k *fingerprint.ClusterKey) {
				k.Role = renamedRole(k.Role)
				k.ID *= 0x9e3779b97f4a7c15 // odd: another id for every id
			})
			fp.ID *= 0xd6e8feb86659fd93
			prints[it.Print] = fp
		}
		it.Print = fp
		it.User, it.Namespace, it.Source = renamedUser(it.User), renamed("n", it.Namespace), renamed("s", it.Source)
		it.Object = renamed("o", it.Object)
	}
}

// Nothing depends on what users, roles, namespaces, objects and addresses are
// called. Sums over clusters run in the order of their ids, which are hashes of the
// names: so they may round differently, and scores agree to 1e-9 instead of bit for
// bit. Of two subjects that are equally active the first by name is the one that a
// story is about, and decides what joins it: so in one evaluation in twenty other
// clusters may be part of a story, or stand by themselves, with the same scores.
func TestNamesDoNotMatter(t *testing.T) {
	cfg, items := evening(t)
	before := run(cfg, items)
	rename(items)
	same(t, before, run(cfg, items), 1e-9, 1, len(before.steps)/20)
}

// scaled multiplies every duration of a configuration.
func scaled(v reflect.Value, by int64) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Type() == reflect.TypeFor[time.Duration]():
			f.SetInt(f.Int() * by)
		case f.Kind() == reflect.Struct:
			scaled(f, by)
		}
	}
}

// A clock that runs at half the speed, with every duration doubled, gives the same
// scores: there is no time in the code, only in the configuration. The day is not
// scaled, so the alerts that are wanted in one are half as many, and the hour of
// the day may not count.
func TestTheSpeedOfTheClockDoesNotMatter(t *testing.T) {
	cfg, items := evening(t)
	cfg.Baseline.Calendar = false
	before := run(cfg, items)
	const by = 2
	scaled(reflect.ValueOf(&cfg).Elem(), by)
	cfg.Anomaly.FalseAlertsPerDay /= by
	for i := range items {
		items[i].Time *= by
	}
	same(t, before, run(cfg, items), 1e-9, by, 0)
}

// producers are how many sources there are that keep their order.
const producers = 4

// Moving whole sources between partitions, and reading the partitions in any way,
// changes nothing, bit for bit.
func TestPartitionsDoNotMatter(t *testing.T) {
	cfg, items := evening(t)
	before := run(cfg, items)
	rng := rand.New(rand.NewPCG(4, 2))
	for _, partitions := range [][producers]int32{{0, 0, 1, 1}, {1, 0, 0, 1}, {2, 0, 1, 3}} {
		moved := slices.Clone(items)
		for i := range moved {
			moved[i].Origin = partitions[xxhash.Sum64String(moved[i].User)%producers]
		}
		after := run(cfg, interleaved(rng, moved))
		same(t, before, after, 0, 1, 0)
		if !slices.Equal(before.whole, after.whole) {
			t.Errorf("partitions %v: the alerts differ", partitions)
		}
	}
}

// interleaved reads partitions in turns of random length, each in its order, none
// more than minutes ahead of the others.
func interleaved(rng *rand.Rand, items []stream.Item) []stream.Item {
	var out []stream.Item
	for len(items) > 0 {
		n := min(1+rng.IntN(3000), len(items))
		for p := range int32(producers) {
			for i := range items[:n] {
				if items[i].Origin == p {
					out = append(out, items[i])
				}
			}
		}
		items = items[n:]
	}
	return out
}

// A replay is the same bit for bit, also when it is interrupted anywhere, written
// to disk and taken up by another process.
func TestRestartsDoNotMatter(t *testing.T) {
	cfg, items := evening(t)
	before := run(cfg, items)
	again := run(cfg, items)
	same(t, before, again, 0, 1, 0)
	if !slices.Equal(before.whole, again.whole) {
		t.Error("a replay tells something else")
	}

	rng := rand.New(rand.NewPCG(1, 2))
	tr := &trace{}
	var e *engine.Engine
	e = engine.New(cfg, fingerprint.Always(nil), tr.watch(&e))
	stream.AddSources(e, items)
	for rest := items; len(rest) > 0; {
		n := min(1+rng.IntN(len(items)/4), len(rest))
		stream.Feed(e, rest[:n])
		rest = rest[n:]
		state := e.Snapshot()
		file, err := cbor.Marshal(&state)
		if err != nil {
			t.Fatal(err)
		}
		var read engine.State
		if err := cbor.Unmarshal(file, &read); err != nil {
			t.Fatal(err)
		}
		e = engine.New(cfg, fingerprint.Always(nil), tr.watch(&e))
		if err := e.Restore(&read); err != nil {
			t.Fatal(err)
		}
	}
	e.Finish()
	same(t, before, tr, 0, 1, 0)
	if !slices.Equal(before.whole, tr.whole) {
		t.Error("after restarts something else is told")
	}
}
