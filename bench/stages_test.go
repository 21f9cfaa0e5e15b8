package bench

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/deploy/demo"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
	"github.com/logcluster/logcluster/ingest/recording"
)

// period is by how much the recording is shifted each time it is repeated: it
// lasts 23 hours.
const period = int64(24 * time.Hour)

// stages are the stages of the hot path, fed with the bundled recording again
// and again, each time a day later.
type stages struct {
	lines   [][]byte
	decoder *ingest.Decoder
	prints  *fingerprint.Fingerprinter
	windows *cluster.Windows
	visitor cluster.Visitor
	emit    func(*fingerprint.Event)

	next, round int
	bytes       int64
	fingerprint bool
	window      bool
}

func newStages(t testing.TB, v cluster.Visitor) *stages {
	t.Helper()
	s := &stages{
		lines: bundledLines(t), decoder: ingest.NewDecoder(ingest.DefaultConfig()),
		prints:  fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: fingerprint.Always(bundledPolicy(t))}),
		windows: cluster.New(cluster.DefaultConfig()), visitor: v,
	}
	s.emit = s.observe
	return s
}

func bundledLines(t testing.TB) [][]byte {
	t.Helper()
	in, err := recording.New("bundled", bytes.NewReader(demo.Recording), 0, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var lines [][]byte
	for {
		batch, err := in.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range batch.Values {
			lines = append(lines, bytes.Clone(v))
		}
		batch.Release()
	}
}

func bundledPolicy(t testing.TB) *rbac.Policy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rbac.yaml")
	if err := os.WriteFile(path, demo.RBAC, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := policy.LoadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(loaded.Objects)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// step takes the next line through the stages that are switched on.
func (s *stages) step(t testing.TB) {
	line := s.lines[s.next]
	s.bytes += int64(len(line))
	if _, err := s.decoder.Decode(line, s.emit); err != nil {
		t.Fatal(err)
	}
	if s.next++; s.next == len(s.lines) {
		s.next = 0
		s.round++
	}
	// As often as a batch of Kafka or of a file would.
	if s.window && s.next%500 == 0 {
		s.windows.Advance(s.visitor)
	}
}

func (s *stages) observe(e *fingerprint.Event) {
	if !s.fingerprint {
		return
	}
	e.Tenant = "bench"
	e.Time += int64(s.round) * period
	fp := s.prints.Of(e)
	if s.window {
		s.windows.Add(e, fp, cluster.Origin{})
	}
}

// BenchmarkEvent is the cost of one event, each line with one stage more than
// the one before.
func BenchmarkEvent(b *testing.B) {
	for _, c := range []struct {
		name  string
		build func() *stages
	}{
		{"decode", func() *stages { return newStages(b, nil) }},
		{"decode+fingerprint", func() *stages {
			s := newStages(b, nil)
			s.fingerprint = true
			return s
		}},
		{"decode+fingerprint+window", func() *stages {
			s := newStages(b, ignore{})
			s.fingerprint, s.window = true, true
			return s
		}},
		{"decode+fingerprint+window+score", func() *stages {
			s := newStages(b, newScorer())
			s.fingerprint, s.window = true, true
			return s
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := c.build()
			for range 2 * len(s.lines) { // into the steady state
				s.step(b)
			}
			s.bytes = 0
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				s.step(b)
				steps++
			}
			b.SetBytes(s.bytes / int64(max(steps, 1)))
		})
	}
}

// ignore is a visitor that does nothing.
type ignore struct{}

func (ignore) Train(*cluster.Training)      {}
func (ignore) Evaluate(*cluster.Evaluation) {}

// scorer is baselines and a detector.
type scorer struct {
	store    *baseline.Store
	detector *anomaly.Detector
	mark     int64
}

func newScorer() *scorer {
	store := baseline.New(baseline.DefaultConfig())
	return &scorer{store: store, detector: anomaly.New(anomaly.DefaultConfig(), store)}
}

func (s *scorer) Train(t *cluster.Training) { s.store.Train(t) }

func (s *scorer) Evaluate(ev *cluster.Evaluation) {
	every := int64(baseline.DefaultConfig().Retrain)
	if mark := ev.End - ev.End%every; mark > s.mark {
		s.mark = mark
		s.store.Retrain(mark)
	}
	s.detector.Evaluate(ev)
}

// TestNoAllocationAnEvent is the gate: in the steady state an event is decoded,
// fingerprinted and counted without allocating. Closing a window may allocate
// now and then, far less than once an event.
func TestNoAllocationAnEvent(t *testing.T) {
	s := newStages(t, ignore{})
	s.fingerprint, s.window = true, true
	for range 2 * len(s.lines) {
		s.step(t)
	}
	events := len(s.lines)
	allocs := testing.AllocsPerRun(1, func() {
		for range events {
			s.step(t)
		}
	})
	perEvent := allocs / float64(events)
	t.Logf("%.0f allocations for %d events: %.5f an event", allocs, events, perEvent)
	if perEvent > 0.01 {
		t.Errorf("%.4f allocations an event, want none", perEvent)
	}
}
