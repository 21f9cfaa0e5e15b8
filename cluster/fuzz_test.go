package cluster

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// FuzzWindows reads the input as a sequence of commands of 8 bytes each and
// checks that nothing panics, that every event has one outcome, that windows
// come in order and that a restore changes nothing.
func FuzzWindows(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x01\x00\x00\x00\x00\x00\x00\x00"))
	seed := make([]byte, 0, 64*8)
	for i := range 64 {
		seed = append(seed, byte(i%3), byte(i*7), byte(i), byte(i>>2), 0, 0, byte(i*3), 0)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, input []byte) {
		c := smallConfig()
		c.MaxClusters, c.MaxTenants, c.MaxDistinct, c.MaxSeen, c.MaxSeenPerSubject = 4, 2, 3, 20, 5
		w, v := New(c), &orderly{t: t}
		now, added := int64(1_700_000_000e9), uint64(0)
		for ; len(input) >= 8; input = input[8:] {
			op := binary.LittleEndian.Uint64(input)
			source := int(op >> 4 & 3)
			switch op & 15 {
			default:
				e, record := fuzzEvent(op, &now)
				fp := printOf(fmt.Sprint(op>>8&3), fmt.Sprint(op>>10&3), "get", "pods", fingerprint.AccessRead)
				fp.Cluster.Power = rbac.Class(op >> 12 & 3)
				w.Add(&e, fp, Origin{Source: source, RecordTime: record})
				added++
			case 8:
				l := c.Limits
				l.MaxClusters, l.MaxNewClusters, l.MaxSeen = int(op>>8&7)+1, int(op>>11&7)+1, int(op>>14&31)+1
				w.SetLimits(now+(int64(op>>19&255)-128)*1e9, map[string]Limits{fmt.Sprint(op >> 27 & 3): l})
			case 9, 10:
				w.Advance(v)
			case 11:
				w = reload(t, w)
			case 12:
				w.MarkSource(source, SourceState(op>>8%3))
			case 13:
				w.AddSource(source, "s")
			case 14:
				w.RemoveSource(source)
			case 15:
				w.Finish(v)
			}
		}
		w.Finish(v)
		total := uint64(0)
		for _, n := range w.Stats().Outcomes {
			total += n
		}
		if total != added {
			t.Fatalf("outcomes of %d events for %d", total, added)
		}
	})
}

// fuzzEvent moves now by the bits of op and returns an event near it, or far
// away.
func fuzzEvent(op uint64, now *int64) (e fingerprint.Event, record int64) {
	*now += int64(op>>16&63) * 1e9
	e = fingerprint.Event{
		Time: *now - int64(op>>22&255)*1e9, User: fmt.Sprint(op >> 30 & 7), Source: fmt.Sprint(op >> 33 & 7),
		Resource: fingerprint.Resource{Namespace: fmt.Sprint(op >> 36 & 3), Object: fmt.Sprint(op >> 38 & 7)},
	}
	record = *now
	switch op >> 41 & 31 {
	case 0:
		e.Time = int64(op * 0x9e3779b97f4a7c15)
	case 1:
		*now += int64(op>>46) * 1e9
		e.Time = *now
	case 2:
		record = 0
	case 3:
		record = e.Time
	}
	return e, record
}

// orderly checks the order of what is handed out.
type orderly struct {
	t              *testing.T
	trained, ended [NumScales]string
}

func (o *orderly) Train(t *Training) {
	if at := fmt.Sprintf("%020d %s", t.Start, t.Tenant); at <= o.trained[t.Scale] {
		o.t.Fatalf("training %s after %s", at, o.trained)
	} else {
		o.trained[t.Scale] = at
	}
	o.windows(t.Windows)
}

func (o *orderly) Evaluate(e *Evaluation) {
	if at := fmt.Sprintf("%020d %s", e.End, e.Tenant); at <= o.ended[e.Scale] {
		o.t.Fatalf("evaluation %s after %s", at, o.ended)
	} else {
		o.ended[e.Scale] = at
	}
	o.windows(e.Windows)
}

func (o *orderly) windows(windows []Window) {
	for i := range windows {
		w := &windows[i]
		if i > 0 && windows[i-1].Cluster.ID >= w.Cluster.ID {
			o.t.Fatalf("cluster %v after %v", w.Cluster.ID, windows[i-1].Cluster.ID)
		}
		for f := range w.Counts {
			if w.Fresh[f] > w.Counts[f] {
				o.t.Fatalf("%v: fresh %v of %v", w.Cluster.ID, w.Fresh, w.Counts)
			}
		}
		if w.Counts[Events] == 0 {
			o.t.Fatalf("%v has no events", w.Cluster.ID)
		}
	}
}
