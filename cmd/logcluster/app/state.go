package app

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// stateVersion is the version of the encoding of [savedState]. A file of
// another version is refused, never guessed at.
const stateVersion = 2

// stateFile is the name of the snapshot in the state directory.
const stateFile = "state.cbor.zst"

// savedState is everything that a restart goes on from, of one moment between
// two batches: the offsets are those of the first records that the rest of it
// has not seen. What is written together is read together.
type savedState struct {
	Version int
	SavedAt time.Time
	// Group is the consumer group that the offsets belong to.
	Group   string
	Offsets kafka.Offsets
	// Sources are the partitions by the number the windows know them under.
	Sources []partition
	Totals  totals
	Engine  engine.State
	// Shadow is the state of the second configuration, nil without one.
	Shadow *shadowState
	// Undelivered is what the sinks still owe.
	Alertmanager alertmanager.State
	Loki         loki.State
}

// stateDir is the directory that holds the snapshot, owned by one process.
type stateDir struct {
	path string
	lock *flock.Flock
}

// openStateDir makes the directory if there is none and locks it, so that two
// processes can't write one state. The lock dies with the process.
func openStateDir(path string) (*stateDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	lock := flock.New(filepath.Join(path, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock state directory %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("state directory %s is in use by another logcluster", path)
	}
	d := &stateDir{path: path, lock: lock}
	if err := d.clean(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// clean removes what processes left behind that were killed while they wrote.
func (d *stateDir) clean() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("read state directory: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "."+stateFile) && !strings.HasPrefix(e.Name(), "."+decisionsFile) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
			return fmt.Errorf("remove unfinished state: %w", err)
		}
	}
	return nil
}

// load returns the snapshot, nil if there is none yet.
func (d *stateDir) load() (*savedState, error) {
	name := filepath.Join(d.path, stateFile)
	packed, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	s, err := decodeState(packed)
	if err != nil {
		return nil, fmt.Errorf("read state %s (move it away to start from nothing): %w", name, err)
	}
	return s, nil
}

// save replaces the snapshot in one step: after a crash at any point there is
// the old one or the new one, whole. It returns the size in bytes.
func (d *stateDir) save(s *savedState) (int, error) {
	packed, err := encodeState(s)
	if err != nil {
		return 0, fmt.Errorf("encode state: %w", err)
	}
	// Beside its place, not in TMPDIR: this directory's room and rights count.
	if err := renameio.WriteFile(filepath.Join(d.path, stateFile), packed, 0o600, renameio.WithTempDir(d.path)); err != nil {
		return 0, fmt.Errorf("write state: %w", err)
	}
	return len(packed), nil
}

func (d *stateDir) close() error {
	if err := d.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock state directory: %w", err)
	}
	return nil
}

func encodeState(s *savedState) ([]byte, error) {
	plain, err := cbor.Marshal(s)
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer func() { _ = enc.Close() }()
	return enc.EncodeAll(plain, nil), nil
}

func decodeState(packed []byte) (*savedState, error) {
	if len(packed) == 0 {
		return nil, errors.New("it is empty")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	plain, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	// The library's own limits are for strangers' input: lists may be long here.
	mode, err := cbor.DecOptions{MaxArrayElements: math.MaxInt32, MaxMapPairs: math.MaxInt32}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var head struct{ Version int }
	if err := mode.Unmarshal(plain, &head); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if head.Version != stateVersion {
		return nil, fmt.Errorf("it has version %d, this program reads version %d", head.Version, stateVersion)
	}
	s := new(savedState)
	if err := mode.Unmarshal(plain, s); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return s, nil
}
