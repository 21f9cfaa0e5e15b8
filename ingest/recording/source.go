package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Options bound what a [Source] keeps in memory.
type Options struct {
	// MaxLineBytes is the length in bytes above which a line is left out and
	// counted in [Batch.TooLong]. Zero means 8 MiB, which is also the limit of
	// a record elsewhere.
	MaxLineBytes int
	// BatchBytes is about how much text one batch holds. Zero means 512 KiB:
	// small enough to stay in a core's cache between splitting and decoding.
	BatchBytes int
	// Ahead is the number of batches that may wait for the reader. Zero means 4.
	Ahead int
}

func (o Options) withDefaults() Options {
	if o.MaxLineBytes <= 0 {
		o.MaxLineBytes = 8 << 20
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 512 << 10
	}
	if o.Ahead <= 0 {
		o.Ahead = 4
	}
	return o
}

// Batch is a run of lines of a file. Give it back with [Batch.Release] when
// done; its values must not be used afterwards.
type Batch struct {
	// Values are the lines without their ends, in order. Empty lines are left
	// out.
	Values [][]byte
	// TooLong is the number of lines left out for their length. To the
	// accounting they are rejected records.
	TooLong int
	// Line is the number of the first line of the batch in the file, from 1.
	Line int64

	buffer []byte
	pool   chan *Batch
}

// Release gives the batch back to its source.
func (b *Batch) Release() {
	select {
	case b.pool <- b:
	default: // more batches than the source has: let it go
	}
}

// Source reads the lines of one file. Next and Close are for one goroutine;
// Progress is for any.
type Source struct {
	name    string
	options Options
	counted *countingReader
	plain   io.Reader
	closers []func() error
	size    int64

	batches chan *Batch
	pool    chan *Batch
	stop    context.CancelFunc
	done    chan struct{}
	err     error
}

// Open opens a file, or standard input if the path is "-".
func Open(path string, options Options) (*Source, error) {
	if path == "-" {
		return New("standard input", os.Stdin, 0, options)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	var size int64
	if stat, err := f.Stat(); err == nil && stat.Mode().IsRegular() {
		size = stat.Size()
	}
	s, err := New(path, f, size, options)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.closers = append(s.closers, f.Close)
	return s, nil
}

// New returns a source that reads from r. The name is for messages. Size is the
// number of bytes that r will give, zero if unknown. Closing the source does
// not close r.
func New(name string, r io.Reader, size int64, options Options) (*Source, error) {
	s := &Source{
		name: name, options: options.withDefaults(), size: size,
		counted: &countingReader{r: r},
	}
	if err := s.unpack(); err != nil {
		return nil, fmt.Errorf("open recording %s: %w", name, err)
	}
	s.batches = make(chan *Batch, s.options.Ahead)
	s.pool = make(chan *Batch, s.options.Ahead+2)
	return s, nil
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// unpack looks at the first bytes and sets the reader of plain text.
func (s *Source) unpack() error {
	head := make([]byte, 4)
	n, err := io.ReadFull(s.counted, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), s.counted)
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		unpacked, err := gzip.NewReader(whole)
		if err != nil {
			return fmt.Errorf("read gzip header: %w", err)
		}
		s.plain = unpacked
	case isZstd(head):
		unpacked, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return fmt.Errorf("read zstd header: %w", err)
		}
		s.plain = unpacked
		s.closers = append(s.closers, func() error { unpacked.Close(); return nil })
	default:
		s.plain = whole
	}
	return nil
}

// isZstd recognises a frame, or the skippable frame that some tools begin with.
func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, zstdMagic) ||
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

// Next returns the next lines, and io.EOF after the last. Reading ahead starts
// with the first call.
func (s *Source) Next(ctx context.Context) (*Batch, error) {
	if s.stop == nil {
		s.start()
	}
	select {
	case batch, ok := <-s.batches:
		if !ok {
			return nil, s.err // set before the channel was closed
		}
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Each visits the batches that are left, gives each back when visit returns, and
// closes the source. An error of visit ends it and is returned as it is. With it,
// reading a recording is
//
//	in, err := recording.Open(name, recording.Options{})
//	if err != nil {
//		return err
//	}
//	return in.Each(ctx, func(b *recording.Batch) error {
//		for _, line := range b.Values {
//			decoder.Decode(line, emit)
//		}
//		return nil
//	})
func (s *Source) Each(ctx context.Context, visit func(*Batch) error) (err error) {
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	for {
		batch, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = visit(batch)
		batch.Release()
		if err != nil {
			return err
		}
	}
}

// Progress returns the number of bytes read from the file, packed as they are,
// and how many there are; total is zero if that is not known.
func (s *Source) Progress() (read, total int64) { return s.counted.n.Load(), s.size }

// Name returns what the source was opened as.
func (s *Source) Name() string { return s.name }

// Close stops reading ahead and closes the file. If standard input is waited
// on, it returns when that gives something.
func (s *Source) Close() error {
	if s.stop != nil {
		s.stop()
		<-s.done
	}
	var errs []error
	for _, closer := range s.closers {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

func (s *Source) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		defer close(s.batches)
		s.err = s.read(ctx)
	}()
}

// read splits until the end and returns io.EOF there.
func (s *Source) read(ctx context.Context) error {
	split := splitter{r: s.plain, options: s.options, line: 1}
	for {
		var batch *Batch
		select {
		case batch = <-s.pool:
		default:
			batch = &Batch{pool: s.pool}
		}
		err := split.fill(batch)
		if len(batch.Values) > 0 || batch.TooLong > 0 {
			select {
			case s.batches <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("read recording %s at line %d: %w", s.name, split.line, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// countingReader counts what has been read, for the progress.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
