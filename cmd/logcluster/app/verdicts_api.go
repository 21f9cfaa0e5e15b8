package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// Judge implements [web.Verdicts].
func (v *verdicts) Judge(ctx context.Context, q *web.VerdictRequest) (web.Verdict, error) {
	d, err := v.ask(ctx, func(b *verdict.Book, from verdict.Instant) (verdict.Decision, error) {
		about, ok := b.Told(q.ID)
		if !ok {
			return verdict.Decision{}, fmt.Errorf("%w: no alert %q was told lately", web.ErrUnknown, q.ID)
		}
		given := &verdict.Verdict{
			ID: q.ID, Word: verdict.Word(q.Verdict), Until: until(from, q.Until, q.For),
			Baseline: verdict.Learning(q.Baseline), Comment: q.Comment, By: q.By, About: about,
		}
		switch {
		case given.Word == verdict.False && given.Until == 0:
			given.Until = from + verdict.Instant(v.cfg.FalseFor)
		case given.Word == verdict.Expected && given.Until == 0:
			given.For = v.cfg.ExpectedFor
		}
		return verdict.Decision{Verdict: given}, nil
	})
	if err != nil {
		return web.Verdict{}, refusal(err)
	}
	return verdictView(&verdict.Standing{Decision: d, Until: d.Verdict.Until, InForce: true, Coming: true}), nil
}

// Suppress implements [web.Verdicts].
func (v *verdicts) Suppress(ctx context.Context, q *web.SuppressionRequest) (web.Suppression, error) {
	d, err := v.ask(ctx, func(_ *verdict.Book, from verdict.Instant) (verdict.Decision, error) {
		return verdict.Decision{Suppression: &verdict.Suppression{
			Matchers: q.Matchers, Until: until(from, q.Until, q.For), Comment: q.Comment, By: q.By,
		}}, nil
	})
	if err != nil {
		return web.Suppression{}, refusal(err)
	}
	return suppressionView(&verdict.Standing{Decision: d, Until: d.Suppression.Until, InForce: true, Coming: true}), nil
}

// Remove implements [web.Verdicts].
func (v *verdicts) Remove(ctx context.Context, id string) error {
	_, err := v.ask(ctx, func(*verdict.Book, verdict.Instant) (verdict.Decision, error) {
		return verdict.Decision{Remove: id}, nil
	})
	return refusal(err)
}

// until is when something ends that is asked for until a time or for so long, by
// event time; zero when neither is given.
func until(from verdict.Instant, at time.Time, d time.Duration) verdict.Instant {
	if d > 0 {
		return from + verdict.Instant(d)
	}
	return verdict.At(at)
}

// refusal says whose fault an error is, in the words of the API.
func refusal(err error) error {
	switch {
	case err == nil, errors.Is(err, web.ErrUnknown), errors.Is(err, web.ErrBusy):
		return err
	case errors.Is(err, verdict.ErrUnknown):
		return fmt.Errorf("%w: %w", web.ErrUnknown, err)
	case errors.Is(err, verdict.ErrFull):
		return fmt.Errorf("%w: %w", web.ErrFull, err)
	case errors.Is(err, errNotWritten):
		return err
	}
	return fmt.Errorf("%w: %w", web.ErrInvalid, err)
}

// Verdicts implements [web.Verdicts].
func (v *verdicts) Verdicts() ([]web.Verdict, web.VerdictCounts) {
	shown := v.current()
	out := make([]web.Verdict, len(shown.verdicts))
	var c web.VerdictCounts
	for i := range shown.verdicts {
		out[i] = verdictView(&shown.verdicts[i])
		switch shown.verdicts[i].Verdict.Word {
		case verdict.True:
			c.True++
		case verdict.False:
			c.False++
		case verdict.Expected:
			c.Expected++
		}
	}
	if judged := c.True + c.False; judged > 0 {
		share := float64(c.True) / float64(judged)
		c.Precision = &share
	}
	return out, c
}

// Suppressions implements [web.Verdicts].
func (v *verdicts) Suppressions() []web.Suppression {
	shown := v.current()
	out := make([]web.Suppression, len(shown.suppressions))
	for i := range shown.suppressions {
		out[i] = suppressionView(&shown.suppressions[i])
	}
	return out
}

// Maintenance implements [web.Verdicts].
func (v *verdicts) Maintenance() []web.Maintenance {
	shown := v.current()
	out := make([]web.Maintenance, len(shown.maintenance))
	for i, w := range shown.maintenance {
		out[i] = web.Maintenance{Name: w.Name, Matchers: w.Matchers, Times: w.Times, Active: w.Active}
	}
	return out
}

func verdictView(s *verdict.Standing) web.Verdict {
	v := s.Verdict
	return web.Verdict{
		ID: v.ID, Verdict: string(v.Word), Tenant: cleaned(v.About.Tenant), Cluster: v.About.Members[0].Cluster,
		Clusters: len(v.About.Members), Role: cleaned(v.About.Role), Resource: cleaned(v.About.Resource), Access: v.About.Access,
		StartedAt: v.About.Start.Time(), ResolvedAt: moment(v.About.End),
		InForceFrom: s.From.Time(), Until: moment(s.Until), InForce: s.InForce,
		Baseline: string(v.Baseline), Comment: cleaned(v.Comment), By: cleaned(v.By),
	}
}

func suppressionView(s *verdict.Standing) web.Suppression {
	return web.Suppression{
		ID: s.Suppression.ID, Matchers: s.Suppression.Matchers, InForceFrom: s.From.Time(), Until: s.Until.Time(), InForce: s.InForce,
		Comment: cleaned(s.Suppression.Comment), By: cleaned(s.Suppression.By),
	}
}

// moment is a time that may be unknown.
func moment(t verdict.Instant) *time.Time {
	if t == 0 {
		return nil
	}
	at := t.Time()
	return &at
}
