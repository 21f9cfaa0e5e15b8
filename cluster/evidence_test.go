package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// shown keeps what is shown of the last windows of a scale.
type shown struct {
	scale   Scale
	news    []Novelty
	samples map[Feature][]Sample
	tops    [NumFacets][]Count
	steps   []uint32
}

func (s *shown) Train(*Training) {}

func (s *shown) Evaluate(e *Evaluation) {
	if e.Scale != s.scale {
		return
	}
	for i := range e.Windows {
		d := e.Windows[i].Detail
		s.news = d.AppendNew(nil, 10)
		s.samples = map[Feature][]Sample{}
		for _, f := range []Feature{Events, Denied, NewSubjectSources} {
			s.samples[f] = d.AppendSamples(nil, f, 3)
		}
		for of := range NumFacets {
			s.tops[of] = d.AppendTop(nil, of, 2)
		}
		s.steps = d.AppendSteps(nil, Denied)
		if got := d.AppendSteps(nil, Latency); got != nil {
			panic("a feature that is no count has steps")
		}
	}
}

// An hour of one cluster: somebody reads secrets every minute, one of them is
// refused, and at the end comes from an address that he never came from.
func readSecrets(w *Windows, v Visitor, minutes int) {
	fp := printOf("t", "r", "get", "secrets", fingerprint.AccessRead)
	fp.Cluster.Power = rbac.Class(3)
	start := int64(1_699_999_200e9) // a full hour
	for i := range minutes + 1 {
		e := fingerprint.Event{
			ID: fmt.Sprint("event-", i), Time: start + int64(i)*int64(time.Minute), User: "ann", Source: "10.0.0.1", Code: 200,
			Resource: fingerprint.Resource{Namespace: "shop", Object: fmt.Sprint("secret", i%3)},
		}
		if i == minutes-30 {
			e.Code, e.Decision = 403, fingerprint.DecisionForbid
		}
		if i == minutes-2 {
			e.Source = "10.6.6.6"
		}
		w.Add(&e, fp, Origin{Source: 4, Offset: int64(i), RecordTime: e.Time})
		w.Advance(v)
	}
	w.Finish(v)
}

func TestDetail(t *testing.T) {
	c := DefaultConfig()
	c.MediumWindow, c.LongWindow = time.Hour, 24*time.Hour
	for _, scale := range []Scale{Short, Medium, Long} {
		t.Run(scale.String(), func(t *testing.T) {
			const minutes = 25 * 60
			w, got := New(c), &shown{scale: scale}
			readSecrets(w, got, minutes)
			of := func(i int) Sample {
				s := Sample{
					Time: 1_699_999_200e9 + int64(i)*int64(time.Minute), Source: 4, Offset: int64(i), ID: fmt.Sprint("event-", i),
					Subject: "ann", Verb: "get", Namespace: "shop", Object: fmt.Sprint("secret", i%3), Address: "10.0.0.1", Code: 200,
				}
				switch i {
				case minutes - 30:
					s.Code, s.Denied = 403, true
				case minutes - 2:
					s.Address = "10.6.6.6"
				}
				return s
			}
			if want := (Novelty{NewSubjectSources, "ann", "10.6.6.6"}); len(got.news) == 0 || got.news[len(got.news)-1] != want {
				t.Errorf("news %v, want %v", got.news, want)
			}
			contact := got.samples[NewSubjectSources]
			if !slices.Contains(contact, of(minutes-2)) {
				t.Errorf("the sample of what is new: %+v", contact)
			}
			if scale != Short { // whose window is past it
				if denied := got.samples[Denied]; !slices.Contains(denied, of(minutes-30)) {
					t.Errorf("the sample of what was refused: %+v", denied)
				}
				if sum(got.steps) != 1 {
					t.Errorf("refused, by step: %v", got.steps)
				}
			}
			if n := len(got.samples[Events]); n != 3 {
				t.Errorf("%d samples of all", n)
			}
			if want := map[Scale]int{Short: 30, Medium: 12, Long: 24}[scale]; len(got.steps) != want {
				t.Errorf("%d steps, want %d", len(got.steps), want)
			}
			if top := got.tops[ByObject]; len(top) != 2 || top[0].Name[:len("shop/secret")] != "shop/secret" {
				t.Errorf("objects %v", top)
			}
			if top := got.tops[BySubject]; len(top) != 1 || top[0].Name != "ann" {
				t.Errorf("subjects %v", top)
			}
			if top := got.tops[BySource]; len(top) != 2 || top[1] != (Count{"10.6.6.6", 1}) {
				t.Errorf("sources %v", top)
			}
			if top := got.tops[ByNamespace]; len(top) != 1 || top[0].Name != "shop" {
				t.Errorf("namespaces %v", top)
			}
		})
	}
}

func sum(values []uint32) (total uint32) {
	for _, v := range values {
		total += v
	}
	return total
}
