package produce

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

const event = `{"kind":"Event","stage":"ResponseComplete","user":{"extra":{"username":["no"]},"username":"a\"b","groups":["stageTimestamp"]},` +
	`"requestObject":{"stageTimestamp":"2000-01-01T00:00:00Z","user":{"username":"inner"}},` +
	`"requestReceivedTimestamp":"2026-11-02T00:00:00.015121Z", "stageTimestamp" : "2026-11-02T00:00:01.021918Z" }`

func TestLine(t *testing.T) {
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	tests := map[string]struct {
		text    string
		user    string
		time    time.Time
		shifted string // by a day and a microsecond
	}{
		"event": {
			event, `"a\"b"`, at("2026-11-02T00:00:01.021918Z"),
			`{"kind":"Event","stage":"ResponseComplete","user":{"extra":{"username":["no"]},"username":"a\"b","groups":["stageTimestamp"]},` +
				`"requestObject":{"stageTimestamp":"2000-01-01T00:00:00Z","user":{"username":"inner"}},` +
				`"requestReceivedTimestamp":"2026-11-03T00:00:00.015122Z", "stageTimestamp" : "2026-11-03T00:00:01.021919Z" }`,
		},
		"list": {
			`{"items":[{"stageTimestamp":"2026-01-02T00:00:00.000001Z","user":{"username":"x"}},{"stageTimestamp":"2026-01-01T00:00:00.000001Z","user":{"username":"y"}}]}`,
			`"x"`, at("2026-01-02T00:00:00.000001Z"),
			`{"items":[{"stageTimestamp":"2026-01-03T00:00:00.000002Z","user":{"username":"x"}},{"stageTimestamp":"2026-01-02T00:00:00.000002Z","user":{"username":"y"}}]}`,
		},
		"other precision and zone": {
			`{"stageTimestamp":"2026-01-02T02:00:00+02:00"}`, "", at("2026-01-02T00:00:00Z"),
			`{"stageTimestamp":"2026-01-03T00:00:00.000001Z"}`,
		},
		"no time":           {`{"user":{"username":"x"}}`, `"x"`, time.Time{}, `{"user":{"username":"x"}}`},
		"odd time":          {`{"stageTimestamp":"soon","requestReceivedTimestamp":7}`, "", time.Time{}, `{"stageTimestamp":"soon","requestReceivedTimestamp":7}`},
		"odd user":          {`{"user":"x"}`, "", time.Time{}, `{"user":"x"}`},
		"not an object":     {`[1,2]`, "", time.Time{}, `[1,2]`},
		"broken after time": {`{"stageTimestamp":"2026-01-02T00:00:00Z",`, "", at("2026-01-02T00:00:00Z"), `{"stageTimestamp":"2026-01-02T00:00:00Z",`},
		"empty":             {``, "", time.Time{}, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var l line
			l.read([]byte(event)) // left overs must not show
			text := []byte(test.text)
			text = text[:len(text):len(text)]
			l.read(text)
			if string(l.user) != test.user || !l.time.Equal(test.time) {
				t.Errorf("user %s at %s, want %s at %s", l.user, l.time, test.user, test.time)
			}
			if got := string(l.shifted(text, 24*time.Hour+time.Microsecond)); got != test.shifted {
				t.Errorf("shifted:\n%s\nwant:\n%s", got, test.shifted)
			}
			if got := string(l.shifted(text, 0)); got != test.text {
				t.Errorf("not shifted:\n%s", got)
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(event), int64(time.Hour))
	f.Add([]byte(`{"items":[{"items":[]},3]}`), int64(-1))
	f.Fuzz(func(t *testing.T, text []byte, by int64) {
		var l line
		text = text[:len(text):len(text)]
		l.read(text)
		got := l.shifted(text, time.Duration(by))
		if json.Valid(text) && !json.Valid(got) {
			t.Errorf("%s\nbecame\n%s", text, got)
		}
	})
}

func TestParseSpeed(t *testing.T) {
	for text, want := range map[string]Speed{"max": 0, "1x": 1, "60x": 60, "60": 60, "0.5x": .5} {
		got, err := ParseSpeed(text)
		if err != nil || got != want {
			t.Errorf("ParseSpeed(%q) = %v, %v", text, got, err)
		}
		if again, err := ParseSpeed(got.String()); err != nil || again != want {
			t.Errorf("%v is not read again: %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "x", "0x", "-1x", "NaN", "Infx", "fast"} {
		if got, err := ParseSpeed(text); err == nil {
			t.Errorf("ParseSpeed(%q) = %v", text, got)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{speed: 60}
		began := time.Now()
		recorded := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, step := range []struct {
			at   time.Duration // as recorded
			want time.Duration // since the beginning
		}{{0, 0}, {time.Minute, time.Second}, {30 * time.Second, time.Second}, {time.Hour, time.Minute}} {
			if err := p.wait(t.Context(), recorded.Add(step.at)); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != step.want {
				t.Errorf("what was recorded after %s is published after %s, want %s", step.at, got, step.want)
			}
		}
		if err := p.wait(t.Context(), time.Time{}); err != nil || time.Since(began) != time.Minute {
			t.Errorf("without a time: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.wait(ctx, recorded.Add(24*time.Hour)); err == nil {
			t.Error("waiting outlives its context")
		}
	})
}
