package alertmanager

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

func TestRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		down time.Duration
		want []string // firing right after the restart
	}{
		"soon": {10 * time.Second, []string{"secrets"}},
		"late": {3 * time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network pipenet.Network
				am := &fakeAlertmanager{}
				defer network.Serve("am", am)()
				first, _ := newTestSink(t, testConfig("am"), &network)
				start(t, first)
				going, over := firing("secrets"), firing("pods")
				first.Put(going, over)
				first.Put(older(firing("missed"), 2*time.Hour))
				synctest.Wait()
				first.Put(resolved(over))
				state := first.Snapshot()
				stop(t, first)

				settle(tc.down)
				second, _ := newTestSink(t, testConfig("am"), &network)
				if err := second.Restore(state); err != nil {
					t.Fatal(err)
				}
				start(t, second)
				synctest.Wait()
				am.mu.Lock()
				delete(am.alerts, keyOf(second.cfg.missedLabels("audit")))
				am.mu.Unlock()
				checkFiring(t, am, tc.want...)

				// Put again, it is what is true now; or it is over.
				settle(time.Minute)
				again := firing("secrets")
				again.StartedAt = going.StartedAt
				second.Put(again)
				settle(time.Minute)
				if got := am.firing(); !slices.Contains(got, "secrets") {
					t.Errorf("firing %v", got)
				}
				second.Put(resolved(again))
				synctest.Wait()
				if got := am.firing(); slices.Contains(got, "secrets") {
					t.Errorf("firing %v", got)
				}
				stop(t, second)
			})
		})
	}
}

func TestSnapshotSurvivesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		s, _ := newTestSink(t, testConfig("am"), &network)
		a := firing("pods")
		s.Put(firing("secrets"), a, resolved(a), older(firing("old"), 2*time.Hour))
		want := s.Snapshot()
		again, _ := newTestSink(t, testConfig("am"), &network)
		if err := again.Restore(want); err != nil {
			t.Fatal(err)
		}
		if got := again.Snapshot(); !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v\nwant\n%+v", got, want)
		}
		if err := again.Restore(State{Active: []ActiveState{{Alert: []byte("{")}, want.Active[0]}}); err == nil || len(again.Snapshot().Active) != 1 {
			t.Errorf("a broken alert: %v, %d restored", err, len(again.Snapshot().Active))
		}
	})
}

// TestTruthWhateverFails: after any sequence of faults, every Alertmanager
// shows exactly what fires; in between, none that was told an alert fires sees
// it end before it is over, unless it could not be reached for minutes.
func TestTruthWhateverFails(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		anyFaults := rapid.SliceOfN(rapid.Map(rapid.IntRange(1, int(numFaults)-1), func(i int) fault { return fault(i) }), 0, 8)
		faults := [][]fault{anyFaults.Draw(rt, "faults of the first"), anyFaults.Draw(rt, "faults of the second")}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"+a", "+b", "-a", "-b", "wait", "restart"}), 1, 12).Draw(rt, "steps")
		pause := time.Duration(rapid.IntRange(0, 90).Draw(rt, "seconds between")) * time.Second
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			var network pipenet.Network
			ams := []*fakeAlertmanager{{faults: faults[0]}, {faults: faults[1]}}
			defer network.Serve("one", ams[0])()
			defer network.Serve("two", ams[1])()
			cfg := testConfig("one", "two")
			cfg.DrainTimeout = 0
			s, _ := newTestSink(t, cfg, &network)
			start(t, s)
			live := map[string]alert.Alert{}
			for i, step := range steps {
				name := step[1:]
				a, fires := live[name]
				switch {
				case step == "restart":
					state := s.Snapshot()
					stop(t, s)
					s, _ = newTestSink(t, cfg, &network)
					if err := s.Restore(state); err != nil {
						t.Fatal(err)
					}
					start(t, s)
				case step[0] == '+' && !fires:
					a = firing(name)
					a.ID = fmt.Sprintf("%s-%d", name, i)
					live[name] = a
					s.Put(a)
				case step[0] == '-' && fires:
					delete(live, name)
					s.Put(resolved(a))
				}
				settle(pause)
			}
			settle(10 * time.Minute) // more than all faults together
			want := []string{}
			for name := range live {
				want = append(want, name)
			}
			slices.Sort(want)
			for i, am := range ams {
				got := slices.DeleteFunc(am.firing(), func(s string) bool { return s == "missed" })
				if !slices.Equal(got, want) {
					problem = fmt.Sprintf("Alertmanager %d shows %v, want %v", i, got, want)
				}
			}
			stop(t, s)
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}
