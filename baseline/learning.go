package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// Learning reports whether the tenant is still being learnt at a time.
func (s *Store) Learning(name string, at int64) bool {
	tn := s.tenants[name]
	return tn == nil || s.learning(tn, at)
}

func (s *Store) learning(tn *tenant, at int64) bool {
	return at-tn.since < int64(s.cfg.Learning)
}

// Learned returns when the tenant's learning period ends or has ended, in Unix
// nanoseconds; zero for a tenant that was never trained on.
func (s *Store) Learned(name string) int64 {
	tn := s.tenants[name]
	if tn == nil {
		return 0
	}
	return tn.since + int64(s.cfg.Learning)
}

// Tests returns how many clusters a short window of the tenant tests, on average
// of about the last learning period: at least 1.
func (s *Store) Tests(name string) float64 {
	tn := s.tenants[name]
	if tn == nil || tn.scales[cluster.Short].rates.windows == 0 {
		return 1
	}
	r := &tn.scales[cluster.Short].rates
	return math.Max(1, r.clusters/r.windows)
}

// Until returns the end of the last short window that is in the tenant's baseline,
// zero when there is none.
func (s *Store) Until(name string) int64 {
	if tn := s.tenants[name]; tn != nil {
		return tn.scales[cluster.Short].until
	}
	return 0
}
