package loki

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang/snappy"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery"
)

// Check asks Loki whether it is ready and pushes a request without any line,
// which shows whether it may write, and says what works. It needs no started
// sink and leaves nothing behind.
func (s *Sink) Check(ctx context.Context) []delivery.Check {
	defer s.client.Close()
	ready := delivery.Check{Target: s.cfg.URL, Step: "ask whether it is ready"}
	switch a := s.client.Get(ctx, "/ready"); {
	case a.Status == http.StatusNotFound:
		ready.Detail = "no /ready here, as behind many gateways"
	case a.Err != nil:
		ready.Err = a.Err
	default:
		ready.Detail = alert.Clean(strings.TrimSpace(string(a.Body)), 200)
	}
	write := delivery.Check{Target: s.cfg.URL, Step: "push a request without lines"}
	a := s.client.Post(ctx, "/loki/api/v1/push", snappy.Encode(nil, nil), s.header())
	// Loki refuses a request without lines, but only after it has let it in.
	if a.Verdict == delivery.Accepted || a.Status == http.StatusUnprocessableEntity || a.Status == http.StatusBadRequest {
		write.Detail = "may write"
	} else {
		write.Err = a.Err
	}
	return []delivery.Check{ready, write}
}
