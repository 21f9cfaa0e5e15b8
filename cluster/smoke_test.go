package cluster

import (
	"fmt"
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
)

type printer struct{ t *testing.T }

func (p printer) Train(x *Training) {
	p.t.Log("train", x.Tenant, x.Start/1e9, x.End/1e9, x.Incomplete)
	for _, w := range x.Windows {
		p.t.Log("   ", w.Cluster.Resource, w.Counts)
	}
}
func (p printer) Evaluate(x *Evaluation) {
	p.t.Log("eval", x.Tenant, x.Start/1e9, x.End/1e9, x.Partial)
	for _, w := range x.Windows {
		p.t.Log("   ", w.Cluster.Resource, w.Counts, w.Fresh, w.AppendTop(nil, 3))
	}
}

func TestSmoke(t *testing.T) {
	w := New(DefaultConfig())
	k := &fingerprint.ClusterKey{ID: 1, Tenant: "a", Role: "r", Resource: "pods"}
	fp := &fingerprint.Fingerprint{ID: 7, Verb: "get", Cluster: k}
	for i := range 60 {
		e := &fingerprint.Event{Time: int64(3000+i*10) * 1e9, User: fmt.Sprint("u", i%3), Source: "x"}
		if o := w.Add(e, fp, 0, e.Time); o != Clustered {
			t.Fatal(o)
		}
		w.Advance(printer{t})
	}
	w.Finish(printer{t})
	t.Logf("%+v", w.Stats())
}
