//go:build kube

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// TestKubeVerify lets `rbac verify` loose on the audit log of a cluster whose
// roles change all the time, with the objects as they were before: what has been
// written since stands in the log, so nothing is left unexplained.
func TestKubeVerify(t *testing.T) {
	k := theKube(t)
	w := newWorld(t, k, seeded(t))
	callers := w.callers(t)
	before, begin := writeManifests(t, w.settled(t)), k.auditOffset(t)
	sent := map[string]sentRequest{}
	for range 4 {
		for _, s := range w.sendAll(t, callers, 20) {
			sent[s.id] = s
		}
		w.change(t)
		w.settled(t)
	}
	k.awaitEvents(t, begin, sent)

	var report review.VerifyReport
	must(t, json.Unmarshal(run(t, "rbac", "verify", "--rbac", before, "--output", "json", k.recording(t, begin)), &report))
	t.Logf("annotated %d, agreed %d, unknown binding %d, not allowing %d, denied %d, denied but allowed %d, explained %d, unexplained %d; writes applied %d, unseen %d",
		report.Annotated, report.Agreed, report.UnknownBinding, report.NotAllowing, report.Denied, report.DeniedButAllowed,
		report.Explained, report.Unexplained, report.WritesApplied, report.WritesUnseen)
	if report.Annotated == 0 || report.Denied == 0 || report.WritesApplied == 0 {
		t.Error("there was nothing to verify")
	}
	// An authorizer hears of a change a moment after it was written, later on a
	// busy machine: what it decides in between is explained by the write.
	if report.Unexplained != 0 || report.WritesUnseen != 0 || report.Explained > report.Annotated/20 {
		t.Errorf("the log tells all, and yet there are disagreements: %+v", report.Disagreements)
	}
}

// TestKubeSuggestion binds what `rbac unused --suggest` prints in the place of the
// roles that were used, and takes all other roles away. The API server takes it,
// all that was allowed is allowed still, and what was refused is refused.
func TestKubeSuggestion(t *testing.T) {
	k := theKube(t)
	w := newWorld(t, k, seeded(t))
	callers := w.callers(t)
	before, begin := writeManifests(t, w.settled(t)), k.auditOffset(t)
	sent := map[string]sentRequest{}
	for _, s := range w.sendAll(t, callers, 40) {
		sent[s.id] = s
	}
	events := k.awaitEvents(t, begin, sent)

	least := filepath.Join(t.TempDir(), "least.yaml")
	must(t, os.WriteFile(least, run(t, "rbac", "unused", "--rbac", before, "--from", k.recording(t, begin), "--suggest", "--suffix", leastSuffix), 0o600))
	suggested, err := policy.LoadFiles(least)
	must(t, err)
	kept, all := w.rebind(t, suggested.Objects)
	w.settled(t)
	t.Logf("%d roles suggested, %d of %d bindings kept", suggested.Objects.Len(), kept, all)
	if kept == 0 {
		t.Error("nothing was used")
	}
	counts := tally{}
	for id := range events {
		e := events[id]
		if e.Decision == fingerprint.DecisionUnknown {
			continue // who may not act as somebody else
		}
		status, err := k.review(t.Context(), requestOf(&e))
		must(t, err)
		allowed := e.Decision == fingerprint.DecisionAllow
		if status.Allowed != allowed {
			t.Errorf("%+v was allowed: %v (%s); now: %+v", *requestOf(&e), allowed, e.Reason, status)
		}
		counts[e.Decision.String()]++
	}
	t.Logf("asked again:%s", counts)
}

// sendAll sends random requests of every caller.
func (w *world) sendAll(t *testing.T, callers []caller, each int) []sentRequest {
	t.Helper()
	var out []sentRequest
	for _, c := range callers {
		for range each {
			out = append(out, w.send(t, c))
		}
	}
	return out
}

// recording is a file of what the API server has written since the offset.
func (k *kube) recording(t *testing.T, begin int64) string {
	t.Helper()
	content := k.auditSince(t, begin)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	must(t, os.WriteFile(path, content[:bytes.LastIndexByte(content, '\n')+1], 0o600))
	return path
}

// leastSuffix is what the names of suggested roles end in.
const leastSuffix = "-least"

// rebind makes the suggested roles, binds them in the place of those that they
// are suggested for, and takes away what was never used. It returns how many
// bindings were kept, and how many there were.
func (w *world) rebind(t *testing.T, o rbac.Objects) (kept, all int) {
	t.Helper()
	ctx, r, mine := t.Context(), w.admin.RbacV1(), metav1.ListOptions{LabelSelector: runLabel + "=" + w.run}
	suggested := map[rbac.Role]bool{}
	for i := range o.Roles {
		role := &o.Roles[i]
		suggested[rbac.Role{Namespace: role.Namespace, Name: role.Name}] = true
		role.ObjectMeta = w.object(role.Namespace, role.Name)
		_, err := r.Roles(role.Namespace).Create(ctx, role, metav1.CreateOptions{})
		must(t, err)
	}
	for i := range o.ClusterRoles {
		role := &o.ClusterRoles[i]
		suggested[rbac.Role{Name: role.Name}] = true
		role.ObjectMeta = w.object("", role.Name)
		_, err := r.ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
		must(t, err)
	}
	bindings, err := r.RoleBindings("").List(ctx, mine)
	must(t, err)
	for i := range bindings.Items {
		b := &bindings.Items[i]
		must(t, r.RoleBindings(b.Namespace).Delete(ctx, b.Name, metav1.DeleteOptions{}))
		least := rbac.Role{Name: b.RoleRef.Name + leastSuffix}
		if b.RoleRef.Kind == "Role" {
			least.Namespace = b.Namespace
		}
		if all++; !suggested[least] {
			continue
		}
		kept++
		b.ObjectMeta, b.RoleRef.Name = w.object(b.Namespace, b.Name), least.Name
		_, err := r.RoleBindings(b.Namespace).Create(ctx, b, metav1.CreateOptions{})
		must(t, err)
	}
	clusterBindings, err := r.ClusterRoleBindings().List(ctx, mine)
	must(t, err)
	for i := range clusterBindings.Items {
		b := &clusterBindings.Items[i]
		must(t, r.ClusterRoleBindings().Delete(ctx, b.Name, metav1.DeleteOptions{}))
		if all++; !suggested[rbac.Role{Name: b.RoleRef.Name + leastSuffix}] {
			continue
		}
		kept++
		b.ObjectMeta, b.RoleRef.Name = w.object("", b.Name), b.RoleRef.Name+leastSuffix
		_, err := r.ClusterRoleBindings().Create(ctx, b, metav1.CreateOptions{})
		must(t, err)
	}
	return kept, all
}
