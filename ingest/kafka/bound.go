package kafka

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Bound is a place in every partition: an offset, or the first record with a
// timestamp at or after a time. The zero value is no bound.
type Bound struct {
	Offset int64
	Time   time.Time
}

// ParseBound reads an offset or an RFC 3339 time; an empty text is no bound.
func ParseBound(text string) (Bound, error) {
	if text == "" {
		return Bound{}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return Bound{Offset: n}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return Bound{}, fmt.Errorf("%q is neither an offset nor a time such as 2026-12-01T06:00:00Z", text)
	}
	return Bound{Time: at}, nil
}

// bound returns the offset of a bound in a partition, or another one where the
// bound says nothing.
func (r *topicReader) bound(ctx context.Context, admin *kadm.Client, b Bound) (func(partition int32, otherwise int64) int64, error) {
	if b.Time.IsZero() {
		return func(_ int32, otherwise int64) int64 { return cmp.Or(b.Offset, otherwise) }, nil
	}
	at, err := listOffsets(ctx, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return admin.ListOffsetsAfterMilli(ctx, b.Time.UnixMilli(), topics...)
	}, []string{r.topic})
	if err != nil {
		return nil, fmt.Errorf("list offsets at %s: %w", b.Time.Format(time.RFC3339), err)
	}
	return func(partition int32, otherwise int64) int64 {
		if offset, ok := at.Get(r.topic, partition); ok {
			return offset
		}
		return otherwise
	}, nil
}
