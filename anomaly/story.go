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
// A cluster joins when it exceeds in the same direction and
//   - its most active subject is the lead's: one actor, many resources;
//   - both fell silent and have the same role: one component died;
//   - failures drive both: what many clients run into has one cause;
//   - it belongs to a part of Kubernetes that acts on what others have written,
//     and does more of what it always does (see reactive).
type Story struct {
	Number    int64
	ID        string
	Lead      fingerprint.ID
	Subject   string // the lead's most active subject when it fired
	Role      string
	Driver    cluster.Feature
	Scale     cluster.Scale // that made it fire
	Up        bool
	Severity  Severity
	Learning  bool
	StartedAt int64
	FiredAt   int64
	Parts     []fingerprint.ID // in the order of joining
}

// fire makes stories of the tracks that are ready, heaviest first, and lets
// others join.
func (j *judging) fire() []*Story {
	var fired []*Story
	for _, tr := range j.sorted(func(tr *track) bool { return tr.weight > 0 && tr.Story == 0 }) {
		if s := j.storyOf(tr); s != nil {
			tr.Story = s.Number
			s.Parts = append(s.Parts, tr.Cluster.ID)
		} else if tr.ready && !j.cooling(tr) && !j.waits(tr) {
			fired = append(fired, j.tell(tr))
		}
	}
	// Those that were looked at before their lead fired join it too.
	for _, tr := range j.sorted(func(tr *track) bool { return tr.weight > 0 && tr.Story == 0 }) {
		if s := j.storyOf(tr); s != nil {
			tr.Story = s.Number
			s.Parts = append(s.Parts, tr.Cluster.ID)
		}
	}
	return fired
}

// tell begins a story with tr as its lead.
func (j *judging) tell(tr *track) *Story {
	j.number++
	s := &Story{
		Number: j.number, ID: identity(tr.Cluster, tr.StartedAt), Lead: tr.Cluster.ID,
		Role: tr.Cluster.Role, Driver: tr.Driver, Scale: tr.due, Up: tr.Z > 0,
		Severity: severityOf(tr, j.learning), Learning: j.learning,
		StartedAt: tr.StartedAt, FiredAt: j.ev.End,
	}
	if len(tr.Peak.Subjects) > 0 {
		s.Subject = tr.Peak.Subjects[0].Name
	}
	tr.Story = s.Number
	j.stories = append(j.stories, s)
	return s
}

// storyOf returns the story that a track belongs to, nil when there is none.
func (j *judging) storyOf(tr *track) *Story {
	for _, s := range j.stories {
		if s.Up != (tr.Z > 0) {
			continue
		}
		switch {
		case s.Subject != "" && len(tr.Peak.Subjects) > 0 && tr.Peak.Subjects[0].Name == s.Subject,
			!s.Up && s.Role == tr.Cluster.Role,
			s.Driver == cluster.Failed && tr.Driver == cluster.Failed,
			s.Up && tr.Driver < cluster.NewFingerprints && reactive(tr.Cluster, tr.Peak.Subjects):
			return s
		}
	}
	return nil
}

// cooling reports whether a track fired not long ago for the same feature and is
// not clearly more unlikely now: twice the logarithm of the p-value.
func (j *judging) cooling(tr *track) bool {
	return tr.ResolvedAt > 0 && j.ev.End-tr.ResolvedAt < int64(j.cfg.CoolDown) &&
		tr.Driver == tr.CooledDriver && tr.LogP > 2*tr.CooledLogP
}

// resolve ends the stories of which every cluster is inconspicuous for long
// enough.
func (j *judging) resolve() []*Story {
	var resolved []*Story
	j.stories = slices.DeleteFunc(j.stories, func(s *Story) bool {
		for _, id := range s.members() {
			if j.lasts(j.tracks[id], s.Scale) {
				return false
			}
		}
		resolved = append(resolved, s)
		return true
	})
	return resolved
}

// close releases the tracks of a resolved story.
func (j *judging) close(s *Story) {
	for _, id := range s.members() {
		tr := j.tracks[id]
		tr.Story, tr.ResolvedAt, tr.CooledLogP, tr.CooledDriver = 0, j.ev.End, tr.PeakLogP, tr.Driver
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
