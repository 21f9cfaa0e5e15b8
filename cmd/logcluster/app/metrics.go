package app

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// boardCollector exports the board. The series of an anomaly exist only while
// it is on the board, and nothing has to be deleted.
type boardCollector struct {
	board *board
	// maxSeries bounds the anomalies exported, over all tenants.
	maxSeries int
	// maxCalibration bounds the series of the calibration, over all tenants.
	maxCalibration int
}

const namespace = "logcluster_"

var (
	consumedDesc = desc("events_consumed_total", "Events met in records since the state began, whatever became of them.")
	outcomeDesc  = desc("events_total", "Events that were decoded, by what became of them. consumed = events + rejected + filtered.", "outcome")
	rejectedDesc = desc("events_rejected_total", "Events that could not be used, by reason.", "reason")
	filteredDesc = desc("events_filtered_total", "Well-formed events that do not count, by rule.", "rule")
	rolesDesc    = desc("events_by_role_source_total", "Decoded events by what told their role: rbac, annotation (the authorizer names a role that no policy binds), mapping, convention, or unknown.", "source")
	refutedDesc  = desc("policy_denied_but_allowed_total", "Requests that the authorizer refused though the role policy in force allows them: the policy is not what the authorizer has.")
	cutDesc      = desc("fields_truncated_total", "Fields that were longer than allowed and were cut.")
	spilledDesc  = desc("events_spilled_total", "Events of new clusters that went to the overflow at once, because their pane held too many.")
	unseenDesc   = desc("first_seen_unknown_total", "Things that could not be told from new ones, because the memory of what was seen is full.")
	maskedDesc   = desc("secrets_redacted_total", "Secrets masked in the text that is kept.")

	watermarkDesc = desc("watermark_timestamp_seconds", "Event time that every partition has passed; -1 before the first event.")
	retrainDesc   = desc("baseline_retrain_age_seconds", "Event time since baselines were last retrained; -1 before the first time.")
	lagDesc       = desc("lag_records", "Records that wait in Kafka, over all partitions; -1 when unknown.")
	clustersDesc  = desc("clusters", "Clusters with events in memory.")
	tenantsDesc   = desc("tenants", "Tenants in memory.")
	panesDesc     = desc("open_panes", "Panes that events are still counted into.")

	evaluationsDesc  = desc("evaluations_total", "Windows judged.", "tenant")
	evaluatedDesc    = desc("clusters_evaluated_total", "Clusters judged, over all windows.", "tenant")
	exceedancesDesc  = desc("exceedances_total", "Clusters beyond |z| 2.5, over all windows.", "tenant")
	firingDesc       = desc("anomalies_firing", "Anomalies that are firing, those past the cut included.", "tenant")
	changesDesc      = desc("anomaly_changes_total", "Changes of state of anomalies.", "tenant", "state")
	learningDesc     = desc("learning", "1 while the tenant's learning period lasts.", "tenant")
	familiesDesc     = desc("role_families", "Role families at the last retrain, those of one role included.", "tenant")
	familyRolesDesc  = desc("role_keys", "Role keys at the last retrain.", "tenant")
	silhouetteDesc   = desc("role_family_silhouette", "How well the role families of several roles are apart, -1 to 1; without a value where there are none.", "tenant")
	stabilityDesc    = desc("role_family_stability", "How much the role families agree with those of the retrain before, 0 to 1.", "tenant")
	fitDesc          = desc("cluster_silhouette", "How well roles describe what their subjects do, in the last window of the medium scale, -1 to 1; without a value where nobody can be compared.", "tenant")
	sameDesc         = desc("cluster_stability", "Share of the clusters' subjects that were active in the window of the medium scale before too, 0 to 1; without a value where there is none.", "tenant")
	calibrationDesc  = desc("calibration_ratio", "Windows beyond |z| over what is nominal, as corrected, where enough were measured: 1 is right, 2 twice too many.", "tenant", "scale", "feature", "z")
	shiftsDesc       = desc("level_shifts_total", "Anomalies that ended because their level lasted and was accepted as the new usual.", "tenant")
	cutsDesc         = desc("anomalies_past_cut_total", "Anomalies that fired past the cut: nobody was told of them but by a summary.", "tenant")
	budgetUsedDesc   = desc("tenant_budget_used", "What a tenant uses of a budget.", "tenant", "budget")
	budgetLimitDesc  = desc("tenant_budget_limit", "How much of a budget a tenant has.", "tenant", "budget")
	overflowDesc     = desc("tenant_overflow_events_total", "Events of a tenant that were beyond a budget and are added up in its overflow cluster.", "tenant", "budget")
	verdictsDesc     = desc("verdicts_total", "Verdicts about alerts that came into force since the state began.", "verdict")
	suppressedDesc   = desc("suppressed_alerts_total", "Alerts that nobody was told of, by what kept people from it: an alert that is expected, a suppression, or maintenance.", "reason")
	suppressionsDesc = desc("suppressions", "Suppressions and verdicts of expected that are in force.")
	shadowDesc       = desc("shadow_alerts_total", "Alerts since the shadow began, by who has raised them: only the service (main), only the shadow, or both.", "only")
	shadowRunsDesc   = desc("shadow_running", "1 while the shadow runs, 0 when it has failed; without a value without one.")
	zDesc            = desc("anomaly_zscore", "z-score of the anomalies shown.", "tenant", "cluster", "role", "resource", "access", "state", "severity")
	rankDesc         = desc("anomaly_rank", "Rank of the anomalies shown, 1 is the most anomalous.", "tenant", "cluster")
	observedDesc     = desc("anomaly_observed", "What was observed of the driving feature of the anomalies shown.", "tenant", "cluster", "feature")
	expectedDesc     = desc("anomaly_expected", "Predictive median of the driving feature of the anomalies shown.", "tenant", "cluster", "feature")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (c *boardCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		consumedDesc, outcomeDesc, rejectedDesc, filteredDesc, rolesDesc, refutedDesc, spilledDesc, unseenDesc, cutDesc, maskedDesc,
		watermarkDesc, retrainDesc, lagDesc, clustersDesc, tenantsDesc, panesDesc,
		familiesDesc, familyRolesDesc, silhouetteDesc, stabilityDesc, fitDesc, sameDesc, calibrationDesc, shiftsDesc, cutsDesc, budgetUsedDesc, budgetLimitDesc, overflowDesc,
		evaluationsDesc, evaluatedDesc, exceedancesDesc, firingDesc, changesDesc, learningDesc,
		verdictsDesc, suppressedDesc, suppressionsDesc, shadowDesc, shadowRunsDesc,
		zDesc, rankDesc, observedDesc, expectedDesc,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *boardCollector) Collect(out chan<- prometheus.Metric) {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	c.collectEvents(out)
	c.collectStream(out)
	c.collectBudgets(out)
	c.collectVerdicts(out)
	c.collectShadow(out)
	left, room := c.maxSeries, c.maxCalibration
	for _, tenant := range slices.Sorted(maps.Keys(c.board.tenants)) {
		s := c.board.tenants[tenant]
		collectTenant(out, tenant, s)
		measured := min(room, len(s.calibration))
		room -= measured
		for i := range s.calibration[:measured] {
			r := &s.calibration[i]
			gauge(out, calibrationDesc, r.Corrected.Value, tenant, r.Scale.String(), anomaly.FeatureName(r.Feature), strconv.FormatFloat(r.Z, 'g', -1, 64))
		}
		shown := min(left, len(s.top))
		left -= shown
		for i := range s.top[:shown] {
			collectAnomaly(out, &s.top[i])
		}
	}
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c *boardCollector) collectEvents(out chan<- prometheus.Metric) {
	p := &c.board.progress
	counter(out, consumedDesc, p.totals.Consumed)
	for i, n := range p.stats.Outcomes {
		if o := cluster.Outcome(i); o != cluster.RejectedAhead {
			counter(out, outcomeDesc, n, o.String())
		}
	}
	for _, reason := range ingest.Reasons() {
		counter(out, rejectedDesc, p.totals.Rejected[reason], reason.String())
	}
	counter(out, rejectedDesc, p.stats.Outcomes[cluster.RejectedAhead], cluster.RejectedAhead.String())
	for _, rule := range ingest.Rules() {
		counter(out, filteredDesc, p.totals.Filtered[rule], rule.String())
	}
	for i, n := range p.totals.Roles {
		counter(out, rolesDesc, n, rbac.Source(i).String())
	}
	counter(out, refutedDesc, p.totals.Refuted)
	counter(out, cutDesc, p.totals.Truncated)
	counter(out, spilledDesc, p.stats.Spilled)
	counter(out, unseenDesc, p.stats.SeenUnknown)
	counter(out, maskedDesc, p.totals.Redacted)
}

func (c *boardCollector) collectStream(out chan<- prometheus.Metric) {
	p := &c.board.progress
	watermark, age := -1.0, -1.0
	if p.stats.Watermark > 0 {
		watermark = float64(p.stats.Watermark) / float64(time.Second)
		if p.retrained > 0 {
			age = time.Duration(p.stats.Watermark - p.retrained).Seconds()
		}
	}
	gauge(out, watermarkDesc, watermark)
	gauge(out, retrainDesc, age)
	gauge(out, lagDesc, float64(p.lag))
	gauge(out, clustersDesc, float64(p.stats.Clusters))
	gauge(out, tenantsDesc, float64(p.stats.Tenants))
	gauge(out, panesDesc, float64(p.stats.OpenPanes))
}

// collectVerdicts exports what people have decided.
func (c *boardCollector) collectVerdicts(out chan<- prometheus.Metric) {
	p := &c.board.progress
	for i, w := range verdict.Words {
		counter(out, verdictsDesc, p.verdicts.Given[i], string(w))
	}
	for i, n := range p.verdicts.Suppressed {
		counter(out, suppressedDesc, n, verdict.Kind(i).String())
	}
	gauge(out, suppressionsDesc, float64(p.inForce))
}

// collectShadow exports how the shadow compares.
func (c *boardCollector) collectShadow(out chan<- prometheus.Metric) {
	_, now := c.board.progress.shadow.view()
	if now == nil {
		return
	}
	counter(out, shadowDesc, now.Main, onlyMain)
	counter(out, shadowDesc, now.Shadow, onlyShadow)
	counter(out, shadowDesc, now.Both, byBoth)
	running := 1.0
	if now.Problem != "" {
		running = 0
	}
	gauge(out, shadowRunsDesc, running)
}

// collectBudgets exports the budgets of all tenants; their number is a budget
// itself.
func (c *boardCollector) collectBudgets(out chan<- prometheus.Metric) {
	for i := range c.board.progress.budgets {
		t := &c.board.progress.budgets[i]
		tenant := cleaned(t.Name)
		for _, b := range []struct {
			name        string
			used, limit int
		}{
			{"clusters", t.Clusters, t.Limits.MaxClusters},
			{"fingerprints", t.Fingerprints, t.Limits.MaxFingerprints},
		} {
			gauge(out, budgetUsedDesc, float64(b.used), tenant, b.name)
			gauge(out, budgetLimitDesc, float64(b.limit), tenant, b.name)
		}
		for b, n := range t.Refused {
			counter(out, overflowDesc, n, tenant, cluster.Budget(b).String())
		}
	}
}

func collectFamilies(out chan<- prometheus.Metric, tenant string, f *family.Families) {
	gauge(out, familiesDesc, float64(len(f.Families)), tenant)
	gauge(out, familyRolesDesc, float64(f.Roles), tenant)
	gauge(out, stabilityDesc, f.Stability, tenant)
	if f.Compared > 0 {
		gauge(out, silhouetteDesc, f.Silhouette, tenant)
	}
}

func collectTenant(out chan<- prometheus.Metric, tenant string, s *standing) {
	counter(out, evaluationsDesc, s.evaluations, tenant)
	counter(out, evaluatedDesc, s.evaluated, tenant)
	counter(out, exceedancesDesc, s.exceedances, tenant)
	counter(out, changesDesc, s.fires, tenant, "firing")
	counter(out, changesDesc, s.resolves, tenant, "resolved")
	counter(out, shiftsDesc, s.shifts, tenant)
	counter(out, cutsDesc, s.cuts, tenant)
	gauge(out, firingDesc, float64(s.firing), tenant)
	learning := 0.0
	if s.learning {
		learning = 1
	}
	gauge(out, learningDesc, learning, tenant)
	if s.families != nil {
		collectFamilies(out, tenant, s.families)
	}
	if s.fit != nil && s.fit.Silhouette != nil {
		gauge(out, fitDesc, *s.fit.Silhouette, tenant)
	}
	if s.fit != nil && s.fit.Stability != nil {
		gauge(out, sameDesc, *s.fit.Stability, tenant)
	}
}

func collectAnomaly(out chan<- prometheus.Metric, a *web.Anomaly) {
	gauge(out, zDesc, a.Z, a.Tenant, a.Cluster, a.Role, a.Resource, a.Access, a.State, a.Severity)
	gauge(out, rankDesc, float64(a.Rank), a.Tenant, a.Cluster)
	if len(a.Features) > 0 {
		f := &a.Features[0]
		gauge(out, observedDesc, f.Observed, a.Tenant, a.Cluster, f.Name)
		gauge(out, expectedDesc, f.Expected, a.Tenant, a.Cluster, f.Name)
	}
}
