package recording

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readAll returns all lines, the number of those left out, and the error that
// is not the end.
func readAll(tb testing.TB, s *Source) (lines []string, tooLong int, err error) {
	tb.Helper()
	for {
		b, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return lines, tooLong, nil
		}
		if err != nil {
			return lines, tooLong, err
		}
		for _, v := range b.Values {
			lines = append(lines, string(v))
		}
		tooLong += b.TooLong
		b.Release()
	}
}

func packGzip(tb testing.TB, text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func packZstd(tb testing.TB, text []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(text, nil)
}

func TestFormatsAreToldByContents(t *testing.T) {
	text := []byte("one\ntwo\r\n\nthree")
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}
	for name, packed := range map[string][]byte{
		"plain":               text,
		"gzip":                packGzip(t, text),
		"zstd":                packZstd(t, text),
		"two gzip members":    append(packGzip(t, []byte("one\nt")), packGzip(t, []byte("wo\nthree"))...),
		"zstd after skipping": append(skippable, packZstd(t, text)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "recording.txt")
			if err := os.WriteFile(path, packed, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			lines, tooLong, err := readAll(t, s)
			if got := strings.Join(lines, "|"); got != "one|two|three" || tooLong != 0 || err != nil {
				t.Errorf("lines %q, %d too long, error %v", got, tooLong, err)
			}
			if read, total := s.Progress(); read != total || total != int64(len(packed)) {
				t.Errorf("progress %d of %d, want %d", read, total, len(packed))
			}
		})
	}
}

func TestShortFiles(t *testing.T) {
	for text, want := range map[string]int{"": 0, "\n": 0, "x": 1, "ab\n": 1, "\r\n": 0, "{}\n{}": 2} {
		s, err := New("test", strings.NewReader(text), 0, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if lines, _, err := readAll(t, s); len(lines) != want || err != nil {
			t.Errorf("%q: %d lines, error %v, want %d", text, len(lines), err, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBrokenFilesGiveTheirBeginningAndAnError(t *testing.T) {
	text := []byte(strings.Repeat("a line that is there\n", 100_000))
	for name, packed := range map[string][]byte{"gzip": packGzip(t, text), "zstd": packZstd(t, text)} {
		s, err := New(name, bytes.NewReader(packed[:len(packed)-9]), 0, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = readAll(t, s)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: error %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: error %v", err)
	}
}

// A closed source leaves nothing running, at whatever point it is closed.
func TestCloseBeforeTheEnd(t *testing.T) {
	for reads := range 3 {
		s, err := New("test", strings.NewReader(strings.Repeat("line\n", 1_000_000)), 0, Options{BatchBytes: 1 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for range reads {
			if _, err := s.Next(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNextHeedsItsContext(t *testing.T) {
	r, w := io.Pipe()
	go func() { _, _ = w.Write([]byte("line\nhalf a line")) }()
	s, err := New("pipe", r, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// A whole line is handed out although the pipe is open and the batch small.
	b, err := s.Next(context.Background())
	if err != nil || len(b.Values) != 1 || string(b.Values[0]) != "line" {
		t.Fatalf("batch %+v, error %v", b, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(w.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// Whatever the sizes of lines, buffers and reads: the lines are those of
// strings.Split, but for the empty and the too long.
func TestSplitProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 64).Draw(t, "limit")
		options := Options{MaxLineBytes: limit, BatchBytes: rapid.IntRange(1, 64).Draw(t, "batch")}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc\n\n")), 0, 500, -1).Draw(t, "text")
		var want []string
		wantTooLong := 0
		for line := range strings.SplitSeq(text, "\n") {
			switch {
			case len(line) > limit:
				wantTooLong++
			case line != "":
				want = append(want, line)
			}
		}
		split := splitter{r: strings.NewReader(text), options: options, line: 1}
		switch rapid.IntRange(0, 2).Draw(t, "reader") {
		case 1:
			split.r = iotest.OneByteReader(split.r)
		case 2:
			split.r = iotest.DataErrReader(split.r)
		}
		var got []string
		tooLong := 0
		for err := error(nil); err == nil; {
			var b Batch
			err = split.fill(&b)
			for _, v := range b.Values {
				got = append(got, string(v))
			}
			tooLong += b.TooLong
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if most := 4*limit + 4*options.BatchBytes; len(b.buffer) > most {
				t.Fatalf("a buffer of %d bytes for lines of at most %d", len(b.buffer), limit)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || tooLong != wantTooLong {
			t.Fatalf("got %q and %d too long, want %q and %d", got, tooLong, want, wantTooLong)
		}
	})
}

func TestEach(t *testing.T) {
	enough := errors.New("enough")
	open := func(t *testing.T, r io.Reader) (s *Source, closed *int) {
		s, err := New("test", r, 0, Options{BatchBytes: 4})
		if err != nil {
			t.Fatal(err)
		}
		closed = new(int)
		s.closers = append(s.closers, func() error { *closed++; return nil })
		return s, closed
	}
	text := strings.Repeat("line\n", 100)
	for name, test := range map[string]struct {
		r     io.Reader
		limit int // lines after which visit has enough; 0 for never
		want  error
	}{
		"to the end":  {strings.NewReader(text), 0, nil},
		"visit fails": {strings.NewReader(text), 10, enough},
		"broken":      {io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrClosedPipe)), 0, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			s, closed := open(t, test.r)
			lines := 0
			err := s.Each(t.Context(), func(b *Batch) error {
				if lines += len(b.Values); test.limit > 0 && lines >= test.limit {
					return enough
				}
				return nil
			})
			if !errors.Is(err, test.want) || *closed != 1 || test.want == nil && lines != 100 {
				t.Errorf("%d lines, closed %d times, error %v", lines, *closed, err)
			}
		})
	}
}

// BenchmarkRecording reads the real recording: its bytes are the unpacked ones.
func BenchmarkRecording(b *testing.B) {
	dir := os.Getenv("LOGCLUSTER_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	path := filepath.Join(dir, "dev", "audit.jsonl.zst")
	if _, err := os.Stat(path); err != nil {
		b.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		var bytes int64
		if err := s.Each(b.Context(), func(batch *Batch) error {
			for _, v := range batch.Values {
				bytes += int64(len(v)) + 1
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(bytes)
	}
}
