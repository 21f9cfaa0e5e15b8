package review

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/logcluster/logcluster/alert"
)

// WriteManifests writes a role for each role that was used, which allows what
// was used and no more, as YAML for `kubectl apply -f -`. Their names end in the
// suffix, so that nothing changes until somebody binds them. With an empty one
// they take the place of the roles they are made from; aggregated ClusterRoles
// are left out then, since a controller writes their rules, and so are those that
// they are aggregated from, since what was used through them is not theirs to
// lose, and Kubernetes' own, on which its components depend.
func (u *UsageReport) WriteManifests(w io.Writer, suffix string) error {
	_, err := fmt.Fprintf(w, "# What was used from %s to %s (%s, %s).\n# What happens more rarely is not in it: read before you apply.\n",
		u.Observed.From.Format(time.RFC3339), u.Observed.To.Format(time.RFC3339),
		u.Observed.Duration().Round(time.Second), plural(u.Observed.Events, "request"))
	if err != nil {
		return fmt.Errorf("write manifests: %w", err)
	}
	roles := slices.Clone(u.Roles)
	slices.SortFunc(roles, func(a, b RoleUsage) int { return cmp.Compare(a.Role, b.Role) })
	for i := range roles {
		if err := roles[i].writeManifest(w, suffix); err != nil {
			return fmt.Errorf("write manifest of %s: %w", safe(roles[i].Role), err)
		}
	}
	return nil
}

func (r *RoleUsage) writeManifest(w io.Writer, suffix string) error {
	var why string
	switch {
	case len(r.Bindings) == 0:
		return nil
	case len(r.UsedRules) == 0:
		why = "bound, never used"
	case suffix == "" && r.aggregated:
		why = "aggregated: a controller writes its rules"
	case suffix == "" && r.member:
		why = "aggregated into another role, through which more of it may be used"
	case suffix == "" && r.builtin:
		why = "Kubernetes' own, which a start of the API server restores"
	}
	if why != "" {
		_, err := fmt.Fprintf(w, "# %s: %s\n", safe(r.Role), why)
		return err
	}
	text, err := harmless(r.manifest(suffix))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "---\n# %s: %d of %d permissions used, by %s%s\n%s",
		safe(r.Role), r.Used, r.Granted, plural(r.Events, "request"), r.narrower(), text)
	return err
}

// narrower says where a ClusterRole bound in the whole cluster was used in few
// namespaces only: a binding there would do.
func (r *RoleUsage) narrower() string {
	const few = 3
	everywhere := slices.ContainsFunc(r.Bindings, func(b BindingUsage) bool { return strings.HasPrefix(b.Binding, "Cluster") })
	if !everywhere || len(r.Namespaces) == 0 || len(r.Namespaces) > few || r.Namespaces[0] == "" {
		return ""
	}
	return fmt.Sprintf(", all in %s (%s): a RoleBinding there would do",
		plural(len(r.Namespaces), "namespace"), safeText(strings.Join(r.Namespaces, ", ")))
}

// manifest returns the role that allows what was used. The labels of the
// original are left out, among them those by which it is aggregated into others.
func (r *RoleUsage) manifest(suffix string) any {
	meta := metav1.ObjectMeta{Namespace: r.ref.Namespace, Name: r.ref.Name + suffix}
	typ := metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"}
	if r.ref.Namespace != "" {
		typ.Kind = "Role"
		return &rbacv1.Role{TypeMeta: typ, ObjectMeta: meta, Rules: r.UsedRules}
	}
	return &rbacv1.ClusterRole{TypeMeta: typ, ObjectMeta: meta, Rules: r.UsedRules}
}

// harmless returns an object as YAML. Where a name has characters that a terminal
// or a reader's eye could be fooled by, it is in YAML's flow style, all in ASCII.
func harmless(object any) ([]byte, error) {
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, err
	}
	fooled := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		fooled = fooled || alert.Clean(line, len(line)) != line
	}
	if !fooled {
		return text, nil
	}
	plain, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return nil, err
	}
	var ascii []byte
	for _, r := range string(plain) {
		switch {
		case r < 0x7f:
			ascii = append(ascii, byte(r))
		case r <= 0xffff:
			ascii = fmt.Appendf(ascii, `\u%04x`, r)
		default: // YAML knows no surrogates
			ascii = fmt.Appendf(ascii, `\U%08x`, r)
		}
	}
	return append(ascii, '\n'), nil
}
