package baseline

import (
	"runtime"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// crowd plays a tenant of many clusters at all three scales.
type crowd struct {
	store *Store
	keys  []*fingerprint.ClusterKey
	at    int64
	took  time.Duration // the longest retrain
}

// lengths are those of the windows of each scale.
var lengths = [cluster.NumScales]int64{window, int64(time.Hour), day}

func newCrowd(clusters int) *crowd {
	c := &crowd{store: New(DefaultConfig()), at: origin}
	for i := range clusters {
		k := key(uint64(i + 1))
		k.Role = "role-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26))
		c.keys = append(c.keys, k)
	}
	return c
}

// until plays what is active says, and retrains as the application does.
func (c *crowd) until(end int64, active func(i int, start, length int64) uint32) {
	var ws []cluster.Window
	for ; c.at < end; c.at += window {
		for scale, length := range lengths {
			start := c.at - length
			if start < origin || start%length != 0 {
				continue
			}
			ws = ws[:0]
			for i, k := range c.keys {
				if n := active(i, start, length); n > 0 {
					w := cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(n)}
					w.Verbs[1], w.Verbs[2] = n-n/3, n/3
					w.Outcomes[0] = n
					w.TopObject, w.TopSubject, w.Stayed, w.Either = n-n/3, n-n/4, 3, 4
					w.Latency = cluster.Latencies{N: n, Sum: uint64(n) * 2560, Square: uint64(n) * 2600 * 2600}
					ws = append(ws, w)
				}
			}
			c.store.Train(&cluster.Training{Tenant: "t", Scale: cluster.Scale(scale), Start: start, End: start + length, Windows: ws})
		}
		if c.at%int64(10*time.Minute) == 0 {
			began := time.Now()
			c.store.Retrain(c.at)
			c.took = max(c.took, time.Since(began))
		}
	}
}

// ask asks for every cluster's prediction at every scale.
func (c *crowd) ask() {
	for scale, length := range lengths {
		for _, k := range c.keys {
			w := cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(3)}
			ev := cluster.Evaluation{Tenant: "t", Scale: cluster.Scale(scale), Start: c.at - length, End: c.at}
			x := c.store.Expect(&ev, &w)
			x.Usual(&w)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A cluster may cost 8 KB when it is active a few times a day, and 64 KB when it
// is always, with a week of history and at all scales together.
func TestMemoryOfACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a week: skipped by -short")
	}
	const clusters, few = 250, 20 // what is the tenant's is in both
	for _, c := range []struct {
		name   string
		active func(i int, start, length int64) uint32
		bytes  int
	}{
		{"idle", func(i int, start, length int64) uint32 {
			// Four windows a day, each cluster at its own times.
			const every = int64(6 * time.Hour)
			phase := int64(i) * int64(7*time.Minute) / window * window
			if since := (start - phase) % every; length >= every || since+length > every || since < 1 {
				return 3
			}
			return 0
		}, 8 << 10},
		{"busy", func(i int, start, length int64) uint32 {
			return uint32((20 + i%50 + int(start/window)%7) * int(length/window))
		}, 64 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := func(clusters int) (bytes, cells int) {
				crowd := newCrowd(clusters)
				before := heap()
				crowd.until(origin+7*day+int64(3*time.Hour), c.active)
				crowd.ask()
				crowd.store.grid.models = make(map[gridPoint]*model) // shared by all tenants
				bytes = int(heap()) - int(before)
				for _, p := range crowd.store.tenants["t"].scales {
					for _, h := range p.order {
						cells += h.cells.len()
					}
				}
				runtime.KeepAlive(crowd)
				return bytes, cells / clusters
			}
			least, _ := size(few)
			bytes, cells := size(clusters)
			each := (bytes - least) / (clusters - few)
			t.Logf("%d bytes a cluster that is %s, with %d cells", each, c.name, cells)
			if each > c.bytes {
				t.Errorf("more than %d", c.bytes)
			}
		})
	}
}

// BenchmarkFiftyThousand is a retrain, and all the fits that follow when every
// cluster is asked at every scale, with a week of history. It takes minutes to
// play that week:
//
//	go test ./baseline -run '^$' -bench FiftyThousand -benchtime 3x
func BenchmarkFiftyThousand(b *testing.B) {
	if testing.Short() {
		b.Skip("plays a week of 50,000 clusters: skipped by -short")
	}
	const clusters = 50_000
	busy := func(i int, start, length int64) uint32 {
		if i%10 != 0 && (int(start/length)+i)%12 != 0 {
			return 0
		}
		return uint32(1 + (i+int(start/window))%40)
	}
	c := newCrowd(clusters)
	c.until(origin+7*day+int64(3*time.Hour), busy)
	c.ask()
	c.took = 0
	b.ReportAllocs()
	for b.Loop() {
		c.until(c.at+int64(10*time.Minute), busy)
		c.ask()
	}
	b.ReportMetric(float64(c.took.Milliseconds()), "ms/longest-retrain")
	tn := c.store.tenants["t"]
	if n := len(tn.scales[cluster.Short].order); n != clusters {
		b.Fatalf("%d clusters are known", n)
	}
}
