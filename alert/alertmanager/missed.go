package alertmanager

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// maxMissedLines is how many missed anomalies are listed; the others are
// counted.
const maxMissedLines = 20

// missed is what nobody was alerted of, of one tenant: anomalies that were too
// old when they could be delivered, and those that came and went while no
// Alertmanager answered.
type missed struct {
	tenant string
	seen   time.Time // wall clock: when one of them was last put
	// anomalies are in the order they were missed, at most max_active: beyond,
	// the alert says "at least".
	anomalies []missedAnomaly
}

type missedAnomaly struct{ id, line string }

func (m *missed) index(id string) int {
	return slices.IndexFunc(m.anomalies, func(a missedAnomaly) bool { return a.id == id })
}

// miss lists an anomaly as missed and reports whether it was not listed yet.
func (t *table) miss(a *alert.Alert, now time.Time) bool {
	labels := t.cfg.missedLabels(a.Tenant)
	key := keyOf(labels)
	it := t.items[key]
	if it == nil {
		if !t.room() {
			return false
		}
		it = &item{key: key, labels: labels, startsAt: now, missed: &missed{tenant: a.Tenant}}
		t.items[key] = it
	}
	it.missed.seen = now
	if it.missed.index(a.ID) >= 0 || len(it.missed.anomalies) >= t.cfg.MaxActive {
		return false
	}
	it.missed.anomalies = append(it.missed.anomalies, missedAnomaly{id: a.ID, line: a.Summary})
	it.told = false
	t.rewriteMissed(it)
	t.touch(it, now)
	return true
}

// isMissed reports whether an anomaly is listed as missed.
func (t *table) isMissed(a *alert.Alert) bool {
	it := t.items[keyOf(t.cfg.missedLabels(a.Tenant))]
	return it != nil && it.missed.index(a.ID) >= 0
}

// unmiss takes an anomaly off the list that nobody has seen yet: it is going on,
// and alerted after all.
func (t *table) unmiss(a *alert.Alert) {
	it := t.items[keyOf(t.cfg.missedLabels(a.Tenant))]
	if it == nil || it.told {
		return
	}
	i := it.missed.index(a.ID)
	if i < 0 {
		return
	}
	it.missed.anomalies = slices.Delete(it.missed.anomalies, i, i+1)
	if len(it.missed.anomalies) == 0 {
		delete(t.items, it.key)
		return
	}
	t.rewriteMissed(it)
}

// rewriteMissed writes the annotations and the link of the list.
func (t *table) rewriteMissed(it *item) {
	m := it.missed
	n := fmt.Sprint(len(m.anomalies))
	if len(m.anomalies) >= t.cfg.MaxActive {
		n = "at least " + n
	}
	var b strings.Builder
	for _, a := range m.anomalies[:min(len(m.anomalies), maxMissedLines)] {
		fmt.Fprintf(&b, "- %s\n", a.line)
	}
	if more := len(m.anomalies) - maxMissedLines; more > 0 {
		fmt.Fprintf(&b, "and %d more: see the history\n", more)
	}
	it.annotations = map[string]string{
		"summary":       unbrace(fmt.Sprintf("%s anomalies of tenant %s were not alerted in time: logcluster or every Alertmanager was down", n, m.tenant)),
		"description":   unbrace(strings.TrimSuffix(b.String(), "\n")),
		"logql_history": alert.TenantHistoryQuery(m.tenant),
	}
	it.url = linkTo(t.cfg.PageURL, "")
}
