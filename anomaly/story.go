package anomaly

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Story is what one alert tells: a lead anomaly, fixed at firing, and the
// clusters that join it while it lasts. It is a part of [DetectorState].
//
// A cluster joins when it is no more severe than the story, goes the same way, and
//   - its most active subject is the lead's: one actor, many resources; or an
//     unusual source address or object has most of the events of both;
//   - both fell silent and have the same role: one component died;
//   - both are new, under the same role, at the same time: a new version;
//   - more fails in both than usual, and that drives them: what many clients run
//     into has one cause.
//
// A part of Kubernetes that acts on what others have written, and does more of what
// it always does (see reactive), joins any story of more.
type Story struct {
	Number    int64
	ID        string
	Lead      fingerprint.ID
	Role      string
	Driver    cluster.Feature
	Scale     cluster.Scale // that made it fire
	Up, New   bool
	Fails     bool // that more fails drives it
	Severity  Severity
	Learning  bool
	StartedAt int64
	FiredAt   int64
	// Subject, Source and Object have most of the lead's events; the latter two
	// only where that is unusual. Empty where none has.
	Subject, Source, Object string
	Parts                   []fingerprint.ID // in the order of joining

	// Told tells that people know of it, PastCut that it was not among the first
	// [Config.TopK]; Suppressed says why nobody is told at the moment.
	Told, PastCut bool
	Suppressed    string
}

// fire makes stories of the tracks that are ready, heaviest first, and lets
// others join. It returns the new ones.
func (j *judging) fire() []*Story {
	var fired []*Story
	free := func(tr *track) bool { return tr.weight > 0 && tr.Story == 0 }
	for _, tr := range j.sorted(free) {
		if s := j.storyOf(tr); s != nil {
			s.join(tr)
		} else if tr.ready && !j.cooling(tr) && !j.dismissed(tr) && !j.waits(tr) {
			fired = append(fired, j.lead(tr))
		}
	}
	// Those that were looked at before their lead fired join it too.
	for _, tr := range j.sorted(free) {
		if s := j.storyOf(tr); s != nil {
			s.join(tr)
		}
	}
	return fired
}

func (s *Story) join(tr *track) {
	tr.Story, tr.JoinedLogP = s.Number, tr.LogP
	s.Parts = append(s.Parts, tr.Cluster.ID)
}

// lead begins a story with tr as its lead.
func (j *judging) lead(tr *track) *Story {
	j.number++
	s := &Story{
		Number: j.number, ID: identity(tr.Cluster, tr.StartedAt), Lead: tr.Cluster.ID,
		Role: tr.Cluster.Role, Driver: tr.Driver, Scale: tr.due, Up: tr.Z > 0, New: tr.New,
		Severity: severityOf(tr, j.learning), Learning: j.learning,
		StartedAt: tr.StartedAt, FiredAt: j.ev.End,
		Source: unusual(tr.Peak.Sources), Object: unusual(tr.Peak.Objects),
	}
	s.Subject, s.Fails = tr.subject(), tr.fails()
	if tr.ResolvedAt > 0 && j.ev.End-tr.ResolvedAt < j.soon() {
		tr.Repeats = min(tr.Repeats+1, maxRepeats)
	} else {
		tr.Repeats = 0
	}
	tr.Story, tr.JoinedLogP = s.Number, tr.LogP
	j.stories = append(j.stories, s)
	return s
}

// unusual returns the name that has most of a window's events, where it usually
// has less than half as many; else it is empty.
func unusual(shares []Share) string {
	if len(shares) == 0 || shares[0].Share <= 0.5 || shares[0].Usual < 0 || shares[0].Usual > shares[0].Share/2 {
		return ""
	}
	return shares[0].Name
}

// storyOf returns the story that a track belongs to, nil when there is none. What
// nobody is told of takes in nothing that people are to be told of.
func (j *judging) storyOf(tr *track) *Story {
	severity := severityOf(tr, j.learning)
	for _, s := range j.stories {
		if s.Up != (tr.Z > 0) || !tr.reacts() && (severity.order() > s.Severity.order() || !j.same(s, tr)) {
			continue
		}
		if s.Suppressed != "" {
			if _, ok := j.suppressed(tr); !ok {
				continue
			}
		}
		return s
	}
	return nil
}

// same reports whether a track tells the same as a story.
func (j *judging) same(s *Story, tr *track) bool {
	switch {
	case s.Subject != "" && tr.subject() == s.Subject,
		s.Source != "" && unusual(tr.Peak.Sources) == s.Source,
		s.Object != "" && unusual(tr.Peak.Objects) == s.Object,
		!s.Up && s.Role == tr.Cluster.Role,
		s.New && tr.New && s.Role == tr.Cluster.Role && tr.StartedAt-s.StartedAt <= j.window,
		s.Fails && tr.fails():
		return true
	}
	return false
}

// fails reports whether that more fails than usual drives a track: by number, or
// by its share of the outcomes.
func (tr *track) fails() bool {
	return tr.Driver == cluster.Failed || tr.Driver == cluster.OutcomeMix &&
		slices.ContainsFunc(tr.Last.Features, func(f Feature) bool { return f.Name == featureNames[cluster.Failed] && f.Z > 0 })
}

// reacts reports whether a track only does more of what it always does, in answer
// to others: it belongs to whatever story is running.
func (tr *track) reacts() bool {
	return tr.Z > 0 && !isNew(tr.Driver) && reactive(tr.Cluster, tr.Peak.Subjects)
}

// cooling reports whether a track fired not long ago for the same feature, or did
// so for being new and has now something else that is new of the same subject, and
// is not clearly more unlikely now: twice the logarithm of the p-value. What began
// in the cool-down does not fire as soon as that is over, but when it has gone on
// for as long again.
func (j *judging) cooling(tr *track) bool {
	if tr.ResolvedAt == 0 || tr.StartedAt-tr.ResolvedAt >= int64(j.cfg.CoolDown) ||
		j.ev.End-tr.ResolvedAt >= j.soon() || tr.LogP <= 2*tr.CooledLogP {
		return false
	}
	return tr.CooledDrove&(1<<tr.Driver) != 0 ||
		tr.New && tr.CooledSubject != "" && tr.CooledSubject == tr.subject()
}

// resolve ends the stories of which every cluster is inconspicuous for long
// enough, and those of which a person has said that there is nothing to see.
func (j *judging) resolve() []*Story {
	var resolved []*Story
	j.stories = slices.DeleteFunc(j.stories, func(s *Story) bool {
		lead := j.tracks[s.Lead]
		if !j.dismissed(lead) && j.goesOn(s, j.hold(lead)) {
			return false
		}
		resolved = append(resolved, s)
		return true
	})
	return resolved
}

// supersede frees the tracks that could fire because of a shorter scale than their
// story did, and are clearly more unlikely than when they became a part of it
// (twice the logarithm of the p-value): what is slow must not hide that it, or
// something else, became fast. A story that loses its lead is over. It returns
// those.
func (j *judging) supersede() []*Story {
	var over []*Story
	j.stories = slices.DeleteFunc(j.stories, func(s *Story) bool {
		for _, id := range s.members() {
			if tr := j.tracks[id]; tr.ready && tr.due < s.Scale && tr.LogP <= 2*tr.JoinedLogP {
				tr.anew(j.ev.End)
			}
		}
		s.Parts = slices.DeleteFunc(s.Parts, func(id fingerprint.ID) bool { return j.tracks[id].Story != s.Number })
		if j.tracks[s.Lead].Story == s.Number {
			return false
		}
		over = append(over, s)
		return true
	})
	return over
}

// anew begins a new life with the window in hand.
func (tr *track) anew(end int64) {
	account := tr.Last
	tr.begin(end)
	tr.Drove = 1 << tr.Driver
	tr.Story, tr.Last, tr.Peak, tr.PeakLogP, tr.BeganAt = 0, account, account, tr.LogP, account.BeganAt
}

// goesOn reports whether any cluster of a story has been conspicuous lately.
func (j *judging) goesOn(s *Story, hold int64) bool {
	return slices.ContainsFunc(s.members(), func(id fingerprint.ID) bool { return j.lasts(j.tracks[id], s.Scale, hold) })
}

// maxRepeats is when a hold cannot grow any more.
const maxRepeats = 16

// hold is how long a story goes on firing after it was conspicuous at the short
// scale: [Config.ResolveAfter], and four times as long each time that it comes
// again soon (within twice the cool-down), up to that. So what flaps becomes one
// alert that stays.
func (j *judging) hold(lead *track) int64 {
	hold, most := int64(j.cfg.ResolveAfter), j.soon()
	for range lead.Repeats {
		if hold *= 4; hold >= most {
			return max(most, int64(j.cfg.ResolveAfter))
		}
	}
	return hold
}

// soon is how long after it was resolved something that fires comes again.
func (d *Detector) soon() int64 { return 2 * int64(d.cfg.CoolDown) }

// close releases the tracks of a resolved story.
func (j *judging) close(s *Story) {
	for _, id := range s.members() {
		tr := j.tracks[id]
		if tr.Story != s.Number {
			continue // it is in another life already
		}
		tr.Story, tr.ResolvedAt, tr.CooledLogP, tr.CooledDrove, tr.CooledSubject = 0, j.ev.End, tr.PeakLogP, tr.Drove, ""
		if s.New {
			tr.CooledSubject = tr.subject()
		}
		tr.begin(0)
	}
}

func (s *Story) members() []fingerprint.ID {
	return append([]fingerprint.ID{s.Lead}, s.Parts...)
}

// identity hashes tenant, cluster and the end of the first pending window.
func identity(key *fingerprint.ClusterKey, startedAt int64) string {
	h := xxhash.New()
	_, _ = h.WriteString(key.Tenant)
	var b [17]byte
	binary.BigEndian.PutUint64(b[1:], uint64(key.ID))
	binary.BigEndian.PutUint64(b[9:], uint64(startedAt))
	_, _ = h.Write(b[:])
	s := strconv.FormatUint(h.Sum64(), 16)
	return strings.Repeat("0", 16-len(s)) + s
}
