package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// State is what a [Sink] needs to go on after a restart: everything that is
// true now. A new process sends all of it again, which changes nothing for an
// Alertmanager that knows it.
type State struct {
	// Taken is when the snapshot was made (wall clock, Unix nanoseconds).
	Taken int64
	// Active are the alerts, firing and recently resolved, oldest change first.
	Active []ActiveState
	// Missed are the lists of what nobody was alerted of, one a tenant.
	Missed []MissedState
}

// ActiveState is an alert that is sent.
type ActiveState struct {
	// Alert is its JSON form.
	Alert []byte
	// Told says that an Alertmanager has heard that it fires.
	Told bool
	// Changed is when its state changed (wall clock, Unix nanoseconds).
	Changed int64
	// Held says that it was not sent when the snapshot was made, because it
	// came from one that was too old.
	Held bool
}

// MissedState is the list of one tenant.
type MissedState struct {
	Tenant string
	// Since is when it began, Changed when it was last told or got longer
	// (wall clock, Unix nanoseconds).
	Since, Changed int64
	// Told says that an Alertmanager has it as it is.
	Told bool
	// IDs and Summaries are of the anomalies, in parallel.
	IDs, Summaries []string
}

func (t *table) snapshot() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{Taken: t.now().UnixNano()}
	for _, it := range t.sorted() {
		if it.missed == nil {
			body, err := json.Marshal(it.source)
			if err != nil {
				continue // not possible: put has encoded it
			}
			s.Active = append(s.Active, ActiveState{Alert: body, Told: it.told, Changed: it.changedAt.UnixNano(), Held: it.held})
			continue
		}
		m := MissedState{Tenant: it.missed.tenant, Since: it.startsAt.UnixNano(), Changed: it.changedAt.UnixNano(), Told: it.told}
		for _, a := range it.missed.anomalies {
			m.IDs, m.Summaries = append(m.IDs, a.id), append(m.Summaries, a.line)
		}
		s.Missed = append(s.Missed, m)
	}
	return s
}

// restore replaces the table. Firing alerts of a snapshot that is older than
// max_age are held: what they say was true long ago.
func (t *table) restore(s State) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items = map[string]*item{}
	now := t.now()
	old := t.cfg.MaxAge > 0 && now.Sub(time.Unix(0, s.Taken)) > t.cfg.MaxAge
	var errs []error
	for i, saved := range s.Active {
		var a alert.Alert
		if err := json.Unmarshal(saved.Alert, &a); err != nil {
			errs = append(errs, fmt.Errorf("restore alert %d: %w", i, err))
			continue
		}
		labels := t.cfg.labelsOf(&a)
		it := &item{key: keyOf(labels), labels: labels, told: saved.Told}
		t.fill(it, &a)
		t.touch(it, time.Unix(0, saved.Changed))
		it.fired = it.version
		if a.State == "resolved" {
			it.resolvedAt = a.WindowEnd
			if a.ResolvedAt != nil {
				it.resolvedAt = *a.ResolvedAt
			}
		} else {
			it.held = old || saved.Held
		}
		t.items[it.key] = it
	}
	for _, saved := range s.Missed {
		t.restoreMissed(saved, now)
	}
	return errors.Join(errs...)
}

func (t *table) restoreMissed(saved MissedState, now time.Time) {
	labels := t.cfg.missedLabels(saved.Tenant)
	m := &missed{tenant: saved.Tenant, seen: now}
	for i := range min(len(saved.IDs), len(saved.Summaries)) {
		m.anomalies = append(m.anomalies, missedAnomaly{id: saved.IDs[i], line: saved.Summaries[i]})
	}
	it := &item{key: keyOf(labels), labels: labels, startsAt: time.Unix(0, saved.Since), missed: m}
	t.rewriteMissed(it)
	t.touch(it, time.Unix(0, saved.Changed))
	it.told = saved.Told
	t.items[it.key] = it
}
