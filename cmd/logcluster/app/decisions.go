package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// decision is something that results depend on and that no record says: which
// role policy, which limits. It becomes a record itself, in force from the
// start of a pane, so that the same records give the same results once more.
type decision struct {
	// From is the event time from which the decision is in force; the zero time
	// means from the beginning.
	From time.Time `json:"from,omitzero"`
	// Tenant is whom it concerns; empty means every tenant without a policy of
	// its own.
	Tenant string `json:"tenant,omitempty"`
	// Source is where it came from: files, cluster, audit, limits, verdict or
	// maintenance.
	Source string `json:"source"`
	// Inherits says that the tenant has no policy of its own in the configuration:
	// it goes on from that of everybody.
	Inherits bool `json:"inherits,omitempty"`
	// Record is the record that carried it, for source audit: it is not decided
	// upon again when the record is read once more.
	Record *place `json:"record,omitempty"`
	// Read are the last records that have changed nothing, of every partition that
	// had one since the decision before: what they tell is not looked at again
	// either, as this decision may have changed what it would change.
	Read []place `json:"read,omitempty"`
	// Policy are the RBAC objects that were written or deleted.
	Policy []rbac.Change `json:"policy,omitempty"`
	// Limits are the limits of the tenants that have their own; empty but not nil
	// when none has any more.
	Limits map[string]cluster.Limits `json:"limits,omitzero"`
	// Verdict is what a person decided about alerts, or the configuration about
	// maintenance.
	Verdict *verdict.Decision `json:"verdict,omitempty"`
}

// place is where a record lies.
type place struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func (p *place) partition() partition { return partition{p.Topic, p.Partition} }

// decisionsFile is the name of the journal in the state directory.
const decisionsFile = "decisions.jsonl"

// journalRoom is how many bytes are appended to a journal before what is no
// longer needed of it is folded together.
const journalRoom = 16 << 20

// journal is the file of decisions, one JSON object a line, in the order in
// which they were taken. A decision is on disk before anything that depends on it
// leaves the process: the stream syncs once a batch.
type journal struct {
	path  string
	file  *os.File
	size  int64
	dirty bool // something was appended since the last sync
	// folded is the size after the last attempt to fold, zero before the first.
	folded int64
}

// openJournal opens a journal and returns what is in it. A last line that was
// torn by a crash is cut off: nothing depended on it yet.
func openJournal(path string) (*journal, []decision, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open decisions: %w", err)
	}
	j := &journal{path: path, file: f}
	list, whole, err := readDecisions(f)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read decisions %s: %w", path, err), f.Close())
	}
	j.size = whole
	return j, list, nil
}

// readDecisionsFile reads the journal of another run.
func readDecisionsFile(path string) ([]decision, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	defer f.Close()
	list, _, err := readDecisions(f)
	if err != nil {
		return nil, fmt.Errorf("read decisions %s: %w", path, err)
	}
	return list, nil
}

// readDecisions reads up to the last whole line and returns where that ends.
func readDecisions(r io.Reader) (list []decision, whole int64, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, 0, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range bytes.Lines(text) {
		var d decision
		if err := json.Unmarshal(line, &d); err != nil {
			return nil, 0, fmt.Errorf("decision %d: %w", len(list)+1, err)
		}
		if d.Source == "" { // some other JSON: it would pass for decisions that change nothing
			return nil, 0, fmt.Errorf("decision %d: it has no source", len(list)+1)
		}
		if d.Verdict != nil {
			if err := d.Verdict.Validate(); err != nil {
				return nil, 0, fmt.Errorf("decision %d: %w", len(list)+1, err)
			}
		}
		for _, tenant := range slices.Sorted(maps.Keys(d.Limits)) {
			limits := d.Limits[tenant]
			if err := limits.Validate(); err != nil {
				return nil, 0, fmt.Errorf("decision %d: limits.%s: %w", len(list)+1, tenant, err)
			}
		}
		list = append(list, d)
	}
	return list, int64(len(text)), nil
}

// append writes a decision down, for the next sync to bring to disk.
func (j *journal) append(d *decision) error {
	line, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode decision: %w", err)
	}
	line = append(line, '\n')
	if _, err := j.file.Write(line); err != nil {
		// Half a line would spoil the next one.
		_, seek := j.file.Seek(j.size, io.SeekStart)
		return errors.Join(fmt.Errorf("write decision: %w", err), j.file.Truncate(j.size), seek)
	}
	j.size += int64(len(line))
	j.dirty = true
	return nil
}

// sync brings what was appended to disk. What a disk has refused to sync once is
// lost to it, and is in force already: there is no going on after an error.
func (j *journal) sync() error {
	if j == nil || !j.dirty {
		return nil
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("bring decisions to disk: %w", err)
	}
	j.dirty = false
	return nil
}

// syncDir makes durable that files were made or renamed in a directory.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// foldIfDue rewrites a journal that has grown: of what was decided before the
// event time only the outcome is kept. After an error it stays as it is, until it
// has grown by as much again.
func (j *journal) foldIfDue(before time.Time) error {
	if j.size-j.folded < journalRoom {
		return nil
	}
	j.folded = j.size
	list, err := readDecisionsFile(j.path)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, d := range fold(list, before) {
		if err := enc.Encode(&d); err != nil {
			return fmt.Errorf("encode decision: %w", err)
		}
	}
	if err := renameio.WriteFile(j.path, text.Bytes(), 0o600, renameio.WithTempDir(filepath.Dir(j.path))); err != nil {
		return fmt.Errorf("rewrite decisions: %w", err)
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open decisions: %w", err)
	}
	err = errors.Join(j.file.Close(), syncDir(filepath.Dir(j.path))) // of the file that is gone
	j.file, j.size, j.folded, j.dirty = f, int64(text.Len()), int64(text.Len()), false
	return err
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	if err := j.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close decisions: %w", err)
	}
	return nil
}

// fold returns decisions that come to the same for every event at or after the
// time: those before it are in force from the beginning, without what a later
// one of the same source has overtaken. What each source said last stays known,
// and so does how far records were read for it.
func fold(list []decision, before time.Time) []decision {
	n := 0
	for n < len(list) && list[n].From.Before(before) {
		n++
	}
	last := lastOf(list[:n])
	needed := foldVerdicts(list[:n], before)
	// held are the objects that the decisions kept so far have written, for
	// anybody: the deletion of anything else says nothing any more.
	held := map[string]bool{}
	var out []decision
	for i := range list[:n] {
		d := list[i]
		d.From = time.Time{}
		d.Policy = nil
		for k := range list[i].Policy {
			c := &list[i].Policy[k]
			object := objectOf(c)
			if last.write[[3]string{d.Tenant, d.Source, object}] != i {
				continue
			}
			if c.Deleted && !held[object] {
				continue
			}
			held[object] = held[object] || !c.Deleted
			d.Policy = append(d.Policy, *c)
		}
		if d.Record != nil && last.read[d.Record.partition()] != i {
			d.Record = nil
		}
		d.Read = nil
		for _, r := range list[i].Read {
			if last.read[r.partition()] == i {
				d.Read = append(d.Read, r)
			}
		}
		if last.limits != i {
			d.Limits = nil
		}
		if !needed[i] {
			d.Verdict = nil
		}
		if d.Policy != nil || d.Record != nil || d.Read != nil || d.Limits != nil || d.Verdict != nil {
			out = append(out, d)
		}
	}
	return append(out, list[n:]...)
}

// lastDecisions are the places in a list of the last decision of each kind.
type lastDecisions struct {
	write  map[[3]string]int // by tenant, source and object
	read   map[partition]int
	limits int
}

func lastOf(list []decision) lastDecisions {
	last := lastDecisions{write: map[[3]string]int{}, read: map[partition]int{}, limits: -1}
	for i := range list {
		d := &list[i]
		for k := range d.Policy {
			last.write[[3]string{d.Tenant, d.Source, objectOf(&d.Policy[k])}] = i
		}
		if d.Record != nil {
			last.read[d.Record.partition()] = i
		}
		for k := range d.Read {
			last.read[d.Read[k].partition()] = i
		}
		if d.Limits != nil {
			last.limits = i
		}
	}
	return last
}

// objectOf names the object of a change.
func objectOf(c *rbac.Change) string {
	switch {
	case c.Role != nil:
		return "Role/" + c.Role.Namespace + "/" + c.Role.Name
	case c.ClusterRole != nil:
		return "ClusterRole/" + c.ClusterRole.Name
	case c.RoleBinding != nil:
		return "RoleBinding/" + c.RoleBinding.Namespace + "/" + c.RoleBinding.Name
	case c.ClusterRoleBinding != nil:
		return "ClusterRoleBinding/" + c.ClusterRoleBinding.Name
	}
	return ""
}
