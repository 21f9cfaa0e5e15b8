package app

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// Past the bound anomalies have no series, always the same ones, and tenants
// keep theirs.
func TestAnomalySeriesAreBounded(t *testing.T) {
	const tenants, each, bound = 6, 4, 10
	cfg := DefaultConfig()
	b := newBoard(&cfg, "test", false, time.Unix(0, 0))
	for i := range tenants {
		s := new(standing)
		for j := range each {
			s.top = append(s.top, web.Anomaly{Alert: alert.Alert{Tenant: fmt.Sprint("tenant-", i), Cluster: fmt.Sprint(j), Rank: j + 1}})
		}
		b.tenants[fmt.Sprint("tenant-", i)] = s
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(&boardCollector{board: b, maxSeries: bound})
	var first map[string]int
	for range 10 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		exported := map[string]int{}
		for _, f := range families {
			switch f.GetName() {
			case "logcluster_evaluations_total":
				if got := len(f.GetMetric()); got != tenants {
					t.Fatalf("%d tenants are exported, want %d", got, tenants)
				}
			case "logcluster_anomaly_rank":
				for _, m := range f.GetMetric() {
					exported[m.String()]++
				}
			}
		}
		if len(exported) != bound {
			t.Fatalf("%d anomalies are exported, want %d", len(exported), bound)
		}
		if first == nil {
			first = exported
		}
		if !maps.Equal(exported, first) {
			t.Fatal("other anomalies are exported than before")
		}
	}
}
