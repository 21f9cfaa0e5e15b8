package ingest

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTimestamp(t *testing.T) {
	for in, want := range map[string]string{
		"1970-01-01T00:00:00Z":                "1970-01-01T00:00:00Z",
		"2026-11-02T00:00:00.015121Z":         "2026-11-02T00:00:00.015121Z",
		"2026-11-02T00:00:00.1234567899Z":     "2026-11-02T00:00:00.123456789Z",
		"2026-11-02T02:30:00.5+02:30":         "2026-11-02T00:00:00.5Z",
		"2025-12-31T23:59:59-01:00":           "2026-01-01T00:59:59Z",
		"2024-02-29T12:00:00Z":                "2024-02-29T12:00:00Z",
		"2261-12-31T23:59:59.999999999-23:59": "2262-01-01T23:58:59.999999999Z",
	} {
		got, ok := parseTimestamp(in)
		if s := time.Unix(0, got).UTC().Format(time.RFC3339Nano); !ok || s != want {
			t.Errorf("%s: got %s, %v", in, s, ok)
		}
	}
	for _, in := range []string{
		"", "2026-11-02", "2026-11-02 00:00:00Z", "2026-11-02T00:00:00", "2026-11-02T00:00:00.Z", "2026-11-02t00:00:00z",
		"2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-11-02T24:00:00Z", "2026-11-02T00:60:00Z", "2026-11-02T00:00:60Z", "2026-11-02T00:00:00+24:00", "2026-11-02T00:00:00+0100",
		"2026-11-02T00:00:00Zx", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "2262-01-01T00:00:00Z", "20x6-11-02T00:00:00Z", "-026-11-02T00:00:00Z",
		"2026-11-02T00:00:00,5Z",
	} {
		if got, ok := parseTimestamp(in); ok {
			t.Errorf("%q was taken for %v", in, time.Unix(0, got).UTC())
		}
	}
}

func TestParseTimestampProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(86400, 9_214_500_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "offset"))
		text := at.In(zone).Format(rapid.SampledFrom([]string{time.RFC3339Nano, "2006-01-02T15:04:05.000000000Z07:00"}).Draw(t, "format"))
		if got, ok := parseTimestamp(text); !ok || got != at.UnixNano() {
			t.Fatalf("%s: got %d, %v, want %d", text, got, ok, at.UnixNano())
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	f.Add("2026-11-02T00:00:00.015121Z")
	f.Add("2026-11-02T00:00:00+23:59")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseTimestamp(text)
		want, wantOK := parse(text)
		if ok != wantOK || ok && got != want {
			t.Errorf("%q: got %d, %v, want %d, %v", text, got, ok, want, wantOK)
		}
	})
}
