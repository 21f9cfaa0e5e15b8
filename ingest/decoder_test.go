package ingest

import (
	"reflect"
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
)

// checkSame compares events, taking empty and nil slices for the same.
func checkSame(t testing.TB, got, want *fingerprint.Event) {
	t.Helper()
	normal := func(e fingerprint.Event) fingerprint.Event {
		e.Groups = append([]string{}, e.Groups...)
		e.ActingGroups = append([]string{}, e.ActingGroups...)
		return e
	}
	if g, w := normal(*got), normal(*want); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %+v\nwant %+v", g, w)
	}
}
