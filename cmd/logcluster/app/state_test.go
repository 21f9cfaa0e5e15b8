package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/logcluster/logcluster/alert/loki"
)

func testStateDir(t *testing.T) *stateDir {
	t.Helper()
	d, err := openStateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.close() })
	return d
}

// What can be written can be read: no list in a state is too long for it.
func TestLongListsSurvive(t *testing.T) {
	d := testStateDir(t)
	const many = 200_000
	if _, err := d.save(&savedState{Version: stateVersion, Loki: loki.State{Undelivered: make([]loki.Entry, many)}}); err != nil {
		t.Fatal(err)
	}
	s, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(s.Loki.Undelivered); got != many {
		t.Errorf("%d entries, want %d", got, many)
	}
}

func packed(t *testing.T, plain []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(plain, nil)
}

// A file that is not a whole state of this version is refused with its name
// and what to do about it.
func TestLoadRefuses(t *testing.T) {
	whole, err := encodeState(&savedState{Version: stateVersion, Group: strings.Repeat("g", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	future, err := cbor.Marshal(map[string]any{"Version": stateVersion + 1, "Offsets": "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":             {nil, "it is empty"},
		"cut":               {whole[:len(whole)/2], "unpack"},
		"a bit flipped":     {append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), "unpack"},
		"foreign":           {[]byte("hello, world"), "unpack"},
		"foreign, packed":   {packed(t, []byte("hello, world")), "decode"},
		"another version":   {packed(t, future), "version 2"},
		"cut before packed": {packed(t, []byte{0xa8, 0x67, 'V', 'e', 'r'}), "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			d := testStateDir(t)
			if err := os.WriteFile(filepath.Join(d.path, stateFile), tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := d.load()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range []string{tt.want, d.path, "move it away"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// A process that is killed while it writes leaves a part of a file behind. The
// next one removes it, or a process that is killed often fills the disk.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"." + stateFile + "123", stateFile, "mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := openStateDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	got, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range got {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "lock mine "+stateFile; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestOneOwnerOfAStateDir(t *testing.T) {
	d := testStateDir(t)
	if _, err := openStateDir(d.path); err == nil || !strings.Contains(err.Error(), "in use by another logcluster") {
		t.Errorf("second owner: %v", err)
	}
}
