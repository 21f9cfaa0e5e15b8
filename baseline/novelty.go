package baseline

import (
	"math"
	"time"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// class is what first-seen rates are kept by: the access and whether the
// resource is sensitive. New readers of pods come every hour, new writers of
// webhooks once a year.
type class uint8

const (
	accesses = int(fingerprint.AccessEscalate) + 1
	classes  = 2 * accesses
)

func classOf(k *fingerprint.ClusterKey) class {
	c := class(min(int(k.Access), accesses-1)) * 2
	if k.Sensitive {
		c++
	}
	return c
}

// kind is a kind of new thing that has a rate: the five first-seen features of
// a known cluster, and new clusters: of a resource and access that nobody in
// the tenant had used before, or that others had; their first window mostly
// allowed, or mostly refused.
type kind uint8

const (
	newUse kind = kind(cluster.NumFeatures) - kind(counted) + iota
	newUseRefused
	newRole
	newRoleRefused
	kinds
)

// kindOf is the kind of a first-seen feature.
func kindOf(f cluster.Feature) kind { return kind(int(f) - counted) }

// feature is the first-seen feature of a kind below newUse.
func (k kind) feature() cluster.Feature { return cluster.Feature(int(k) + counted) }

func birthKind(counts *cluster.Counts, used bool) kind {
	k := newUse
	if used {
		k = newRole
	}
	if 2*counts[cluster.Denied] > counts[cluster.Events] {
		k++
	}
	return k
}

// use is a resource and an access to it.
type use struct {
	group, resource string
	access          fingerprint.Access
}

func useOf(k *fingerprint.ClusterKey) use { return use{k.APIGroup, k.Resource, k.Access} }

const (
	// roleBursts is how many bursts the tenant's rate counts for against a
	// role's own.
	roleBursts = 0.25
	// unseenBursts is added to every rate: what was never seen has one too.
	unseenBursts = 0.5
	// forgottenBursts is when a role that has not been seen for long is dropped.
	forgottenBursts = 1e-6
)

// Rate is how often new things of a kind come, decayed: Bursts counts the
// windows with any, Sizes the clusters that had some, and Sum and Square their
// numbers. New things come in bursts, and a burst is one alert.
type Rate struct{ Bursts, Sizes, Sum, Square float64 }

// RoleRate is how often a role came with new things of a kind, and how often it
// would have, were all roles alike. Both decay.
type RoleRate struct{ Seen, Expected float64 }

// role is what is known of how often a role does new things.
type role struct {
	rates  [kinds]RoleRate
	marked [kinds]bool // in the window in hand
	active bool        // in the window in hand
}

// rates are a tenant's rates of new things.
type rates struct {
	windows  float64 // decayed live windows
	clusters float64 // decayed clusters with events, over them
	present  float64 // decayed roles with events, over them
	of       [classes][kinds]Rate
	roles    map[string]*role
	uses     map[use]int // how many known clusters have it

	sizes [classes][kinds]*model
}

func newRates() rates {
	return rates{roles: make(map[string]*role), uses: make(map[use]int)}
}

// observe takes one window's rows in. Born tells which are the first of their
// cluster; what was before is forgotten by halves.
func (r *rates) observe(rows []row, born []bool, window, halfLife time.Duration) {
	keep := math.Exp2(-float64(window) / float64(halfLife))
	r.decay(keep)
	r.windows++
	r.clusters += float64(len(rows))
	active := r.activeRoles(rows)
	var burst [classes][kinds]bool
	for i := range rows {
		c := classOf(rows[i].key)
		who := r.roles[rows[i].key.Role]
		r.each(&rows[i], born[i], func(k kind, x float64) {
			burst[c][k] = true
			who.marked[k] = true
			o := &r.of[c][k]
			o.Sizes++
			o.Sum += x
			o.Square += x * x
		})
	}
	var total [kinds]float64
	for c := range burst {
		for k, any := range burst[c] {
			if any {
				r.of[c][k].Bursts++
			}
			total[k] += r.of[c][k].Bursts
		}
	}
	for _, who := range active {
		who.settle(&total, r.present)
	}
	for i := range rows {
		if born[i] {
			r.uses[useOf(rows[i].key)]++
		}
	}
}

// each calls visit for the new things of one row.
func (r *rates) each(w *row, born bool, visit func(kind, float64)) {
	if born {
		visit(birthKind(&w.counts, r.uses[useOf(w.key)] > 0), float64(w.counts[cluster.Events]))
		return
	}
	for k := range newUse {
		if n := w.counts[k.feature()]; n > 0 {
			visit(k, float64(n))
		}
	}
}

// retire forgets one cluster's use.
func (r *rates) retire(u use) {
	if r.uses[u]--; r.uses[u] <= 0 {
		delete(r.uses, u)
	}
}

func (r *rates) decay(keep float64) {
	r.windows *= keep
	r.clusters *= keep
	r.present *= keep
	for c := range r.of {
		for k := range r.of[c] {
			o := &r.of[c][k]
			o.Bursts *= keep
			o.Sizes *= keep
			o.Sum *= keep
			o.Square *= keep
		}
	}
	for key, who := range r.roles {
		left := 0.0
		for k := range who.rates {
			who.rates[k].Seen *= keep
			who.rates[k].Expected *= keep
			left += who.rates[k].Seen + who.rates[k].Expected
		}
		if left < forgottenBursts {
			delete(r.roles, key)
		}
	}
}

// activeRoles returns the roles that are active in a window, in the order of rows.
func (r *rates) activeRoles(rows []row) []*role {
	var active []*role
	for i := range rows {
		who := r.roles[rows[i].key.Role]
		if who == nil {
			who = &role{}
			r.roles[rows[i].key.Role] = who
		}
		if !who.active {
			who.active = true
			active = append(active, who)
		}
	}
	r.present += float64(len(active))
	return active
}

// settle adds a window to a role: what it did, and its even part of what the
// tenant does. Bursts over present is the bursts of a window over its roles.
func (who *role) settle(bursts *[kinds]float64, present float64) {
	for k := range who.rates {
		if who.marked[k] {
			who.rates[k].Seen++
		}
		who.rates[k].Expected += bursts[k] / present
	}
	who.active, who.marked = false, [kinds]bool{}
}

// refit makes the models of how many new things come at once.
func (r *rates) refit(g *grid) {
	for c := range r.of {
		for k := range r.of[c] {
			r.sizes[c][k] = g.at(r.of[c][k].size())
		}
	}
}

// size is the mean and dispersion of how many come at once; half a one is added.
func (r Rate) size() (mean, dispersion float64) {
	n := r.Sizes + 0.5
	mean = (r.Sum + 0.5) / n
	return mean, math.Max(((r.Square+0.5)/n-mean)/(mean*mean)-1, 0)
}

// score is the tails of x > 0 new things of a kind in a window of one cluster.
// The rate is the tenant's, spread evenly over the clusters that are active (so
// p times the number of clusters tested is how often the tenant sees the like),
// times how much more or less the role does new things than others do: a
// gamma-Poisson shrinkage of seen over expected.
func (r *rates) score(c class, k kind, roleKey string, x float64) Tails {
	up := math.Log(-math.Expm1(-r.rate(c, k, roleKey)))
	size := r.sizes[c][k].dist.Tails(x)
	up += math.Min(0, math.Ln2+size.Up)
	return Tails{Up: boundLog(up), Low: boundLog(log1mExp(math.Min(up, 0)))}
}

// judge judges x new things, or none. None is as good as none expected: only how
// often there are some is tested.
func (r *rates) judge(c class, k kind, roleKey string, x float64) judgement {
	rate := r.rate(c, k, roleKey)
	j := judgement{stratum: calibration.StratumOf(rate), logAt: math.Inf(-1)}
	if x > 0 {
		j.tails = r.score(c, k, roleKey, x)
		return j
	}
	j.logAt = -rate
	none := math.Exp(-rate) / 2
	j.tails = Tails{Up: math.Log1p(-none), Low: math.Log(none)}
	return j
}

// rate is how often new things of a kind are expected in a window of a cluster.
func (r *rates) rate(c class, k kind, roleKey string) float64 {
	rate := (r.of[c][k].Bursts + unseenBursts) / math.Max(r.clusters, 1)
	if who := r.roles[roleKey]; who != nil {
		rate *= (who.rates[k].Seen + roleBursts) / (who.rates[k].Expected + roleBursts)
	}
	return rate
}
