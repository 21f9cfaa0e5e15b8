package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestClientRepeatsItselfRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newClientLogger(slog.New(slog.NewTextHandler(&out, nil)))
		for range 30 {
			l.Log(kgo.LogLevelWarn, "unable to open connection", "broker", 1)
			l.Log(kgo.LogLevelInfo, "detail")
			time.Sleep(time.Second)
		}
		l.Log(kgo.LogLevelError, "something else")
		if got := strings.Count(out.String(), "unable to open"); got != 3 {
			t.Errorf("said %d times in 30 s, want 3:\n%s", got, out.String())
		}
		if !strings.Contains(out.String(), "something else") || strings.Contains(out.String(), "detail") {
			t.Errorf("wrong messages:\n%s", out.String())
		}
	})
}
