package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafana/dskit/backoff"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrGroupTaken is the cause when another living member is in the group. In
// this version one instance owns a group; a second one is refused.
var ErrGroupTaken = errors.New("the consumer group has another living member")

// How often the group is looked at while it has another member.
const groupPollInterval = 250 * time.Millisecond

// awaitGroup waits until the group has no member. A member that was killed
// stays in the group until the broker has missed it for its session timeout,
// and looks like a living one until then: so the wait is a little longer than
// that, and who is still there afterwards is alive.
func (s *Session) awaitGroup(ctx context.Context) error {
	wait := s.cfg.SessionTimeout + max(time.Second, s.cfg.SessionTimeout/4)
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for waiting := false; ; waiting = true {
		member, found, err := s.otherMember(ctx)
		if err != nil {
			return err
		}
		if !found {
			return nil
		}
		if !waiting {
			s.logger.Info("waiting for the previous member of the group to expire",
				"group", s.cfg.Group, "member_client_id", member.ClientID, "member_host", member.ClientHost, "at_most", wait)
		}
		select {
		case <-deadline.C:
			return s.takenBy(&member)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(groupPollInterval):
		}
	}
}

// describeBackoff is how a group is asked for again: a cluster that never had a
// consumer group makes the topic that holds them at the first question, and has
// no coordinator until that is done.
var describeBackoff = backoff.Config{MinBackoff: 100 * time.Millisecond, MaxBackoff: 2 * time.Second, MaxRetries: 10}

// DescribeGroup returns what the broker knows of a consumer group. A group that
// does not exist has no members and no error. It tries again while the answer is
// that the broker is not ready.
func DescribeGroup(ctx context.Context, admin *kadm.Client, group string) (kadm.DescribedGroup, error) {
	retry := backoff.New(ctx, describeBackoff)
	for {
		groups, err := admin.DescribeGroups(ctx, group)
		described := groups[group]
		if err == nil {
			err = described.Err
		}
		switch {
		case errors.Is(err, kerr.GroupIDNotFound):
			return kadm.DescribedGroup{Group: group}, nil
		case err == nil:
			return described, nil
		case !kerr.IsRetriable(err) || !retry.Ongoing():
			return described, fmt.Errorf("describe group %s: %w", group, err)
		}
		retry.Wait()
	}
}

// otherMember returns a member of the group that is not this session.
func (s *Session) otherMember(ctx context.Context) (m kadm.DescribedGroupMember, found bool, err error) {
	group, err := DescribeGroup(ctx, s.admin, s.cfg.Group)
	if err != nil {
		return m, false, err
	}
	self := ""
	if s.client != nil {
		self, _ = s.client.GroupMetadata()
	}
	for _, m := range group.Members {
		if m.MemberID != self {
			return m, true, nil
		}
	}
	return m, false, nil
}

func (s *Session) takenBy(m *kadm.DescribedGroupMember) error {
	return fmt.Errorf("join group %s: %w: client %q at %s; stop that instance or give this one another group",
		s.cfg.Group, ErrGroupTaken, m.ClientID, m.ClientHost)
}

// awaitAssignment waits until this session owns every partition.
func (s *Session) awaitAssignment(ctx context.Context) error {
	timeout := time.NewTimer(s.assignmentTimeout())
	defer timeout.Stop()
	select {
	case <-s.joined:
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout.C:
		return fmt.Errorf("join group %s: no assignment within %v", s.cfg.Group, s.assignmentTimeout())
	}
	select {
	case err := <-s.failed:
		return err
	default:
	}
	// Two that start at the same moment both find the group empty. With few
	// partitions one of them may own them all and not notice the other.
	member, found, err := s.otherMember(ctx)
	if err != nil {
		return err
	}
	if found {
		return s.takenBy(&member)
	}
	return nil
}

// assigned is called by the client after every rebalance with what is new.
func (s *Session) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range added {
		for _, p := range partitions {
			s.owned.Set(topic, p, 0)
		}
	}
	missing := 0
	_ = s.position.each(func(topic string, p int32, _ int64) error {
		if _, ok := s.owned.Get(topic, p); !ok {
			missing++
		}
		return nil
	})
	if missing > 0 && !s.leaving {
		s.fail(fmt.Errorf("join group %s: %w: it owns %d partitions", s.cfg.Group, ErrGroupTaken, missing))
	}
	s.joinOnce.Do(func() { close(s.joined) })
}

// revoked is called when another member is given partitions, and on leaving.
func (s *Session) revoked(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disown(taken)
	if !s.leaving && len(taken) > 0 {
		s.fail(fmt.Errorf("keep group %s: %w: partitions were taken away", s.cfg.Group, ErrGroupTaken))
	}
}

// lost is called when the broker has expelled this member, as after a long
// pause or an outage. The client joins again; the position is kept, so that
// nothing is lost or read twice, and if somebody else has joined meanwhile the
// next assignment will tell.
func (s *Session) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disown(gone)
	if !s.leaving {
		s.logger.Warn("expelled from the group, joining again", "group", s.cfg.Group)
	}
}

func (s *Session) disown(partitions map[string][]int32) {
	for topic, ids := range partitions {
		for _, p := range ids {
			delete(s.owned[topic], p)
		}
	}
}

// groupErrorHook hears of the errors that end a membership before there is a
// poll to report them.
type groupErrorHook struct{ *Session }

// OnGroupManageError implements kgo.HookGroupManageError.
func (h groupErrorHook) OnGroupManageError(err error) {
	if groupErrorIsFatal(err) {
		h.fail(fmt.Errorf("join group %s: %w", h.cfg.Group, err))
	}
}

// groupErrorIsFatal reports whether joining again cannot help.
func groupErrorIsFatal(err error) bool {
	for _, fatal := range []error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout, kerr.InvalidGroupID,
		kerr.GroupMaxSizeReached, kerr.FencedInstanceID, kerr.SaslAuthenticationFailed,
	} {
		if errors.Is(err, fatal) {
			return true
		}
	}
	return false
}

func commitSync(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) error {
	var failure error
	client.CommitOffsetsSync(ctx, offsets, func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error,
	) {
		if failure = err; err != nil {
			return
		}
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failure = errors.Join(failure, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err))
				}
			}
		}
	})
	return failure
}
