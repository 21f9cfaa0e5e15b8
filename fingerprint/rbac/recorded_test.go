package rbac_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// real loads real manifests, which lie beside the repository or where
// LOGCLUSTER_DATA says, and skips the test when they are absent.
func real(t *testing.T, path string) (*rbac.Policy, rbac.Objects) {
	t.Helper()
	root := cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	path = filepath.Join(root, filepath.FromSlash(path))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real manifests are not here (set LOGCLUSTER_DATA): %v", err)
	}
	loaded, err := policy.LoadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(loaded.Objects)
	if err != nil {
		t.Fatal(err)
	}
	return p, loaded.Objects
}

// aggregate does what Kubernetes' controller does, as often as it takes until
// nothing changes: the rules of an aggregated role are those of all roles that it
// selects.
func aggregate(t *testing.T, roles []rbacv1.ClusterRole) map[string][]rbacv1.PolicyRule {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, r := range roles {
		rules[r.Name] = r.Rules
	}
	for changed := true; changed; {
		changed = false
		for _, r := range roles {
			if r.AggregationRule == nil {
				continue
			}
			var all []rbacv1.PolicyRule
			for _, selector := range r.AggregationRule.ClusterRoleSelectors {
				s, err := metav1.LabelSelectorAsSelector(&selector)
				if err != nil {
					t.Fatal(err)
				}
				for _, other := range roles {
					if other.Name != r.Name && s.Matches(labels.Set(other.Labels)) {
						all = append(all, rules[other.Name]...)
					}
				}
			}
			if ok, _ := validation.Covers(rules[r.Name], all); !ok {
				rules[r.Name] = all
				changed = true
			}
		}
	}
	return rules
}

// TestRealAggregation holds the rules of every role of real manifests against
// what Kubernetes' controller would make of them.
func TestRealAggregation(t *testing.T) {
	for _, tc := range []struct {
		path       string
		aggregated int
	}{
		{"rbac/kubernetes-1.35.3", 3}, // admin, edit, view; once more for feature gates
		{"rbac/kubeflow", 20},
		{"dev/rbac.yaml", 4},
	} {
		t.Run(tc.path, func(t *testing.T) {
			p, o := real(t, tc.path)
			last := map[string]rbacv1.ClusterRole{}
			for _, r := range o.ClusterRoles {
				last[r.Name] = r
			}
			var roles []rbacv1.ClusterRole
			for _, r := range last {
				roles = append(roles, r)
			}
			want := aggregate(t, roles)
			aggregated := 0
			for _, got := range p.Roles() {
				if got.Role.Namespace != "" {
					continue
				}
				if last[got.Role.Name].AggregationRule != nil {
					aggregated++
				}
				if ok, more := validation.Covers(want[got.Role.Name], got.Rules); !ok {
					t.Errorf("%s allows too much: %v", got.Role.Name, more)
				}
				if ok, missing := validation.Covers(got.Rules, want[got.Role.Name]); !ok {
					t.Errorf("%s lacks %v", got.Role.Name, missing)
				}
			}
			if aggregated != tc.aggregated {
				t.Errorf("%d roles are aggregated, want %d", aggregated, tc.aggregated)
			}
		})
	}
}

// TestRealPower checks the power of roles that everybody knows, and prints all.
func TestRealPower(t *testing.T) {
	for path, want := range map[string]map[string]rbac.Class{
		"rbac/kubernetes-1.35.3": {
			"cluster-admin": rbac.ClassAdmin, "admin": rbac.ClassEscalate, "edit": rbac.ClassEscalate, "view": rbac.ClassRead,
			"system:discovery": rbac.ClassRead, "system:basic-user": rbac.ClassRead, "system:monitoring": rbac.ClassRead,
			"system:auth-delegator":                                rbac.ClassRead,
			"system:certificates.k8s.io:kubelet-serving-approver":  rbac.ClassEscalate,
			"system:controller:daemon-set-controller":              rbac.ClassElevated,
			"system:controller:clusterrole-aggregation-controller": rbac.ClassEscalate,
			"system:heapster":                                      rbac.ClassRead,
		},
		"rbac/kubeflow": {},
		"dev/rbac.yaml": {"cluster-admin": rbac.ClassAdmin},
	} {
		t.Run(path, func(t *testing.T) {
			p, _ := real(t, path)
			classes := map[rbac.Class]int{}
			for _, r := range p.Roles() {
				classes[r.Power.Class]++
				if c, ok := want[r.Role.Name]; ok && r.Role.Namespace == "" && c != r.Power.Class {
					t.Errorf("%s is %v, want %v: %v", r.Role.Name, r.Power.Class, c, texts(r.Reasons))
				}
				if r.Power != p.KeyPower(r.Role.Key()) {
					t.Errorf("%s is %v, by its key %v", r.Role.Key(), r.Power, p.KeyPower(r.Role.Key()))
				}
				if len(r.Rules) > 0 && len(p.KeyPermissions(r.Role.Key())) == 0 {
					t.Errorf("%s has no permissions", r.Role.Key())
				}
				t.Logf("%-8v %s: %s", r.Power.Class, r.Role.Key(), texts(r.Reasons))
			}
			t.Log(classes)
		})
	}
}

func texts(reasons []rbac.Reason) string {
	var all []string
	for _, r := range reasons {
		what, _, _ := strings.Cut(r.Text, ":")
		all = append(all, fmt.Sprintf("%v (%s)", r.Capability, what))
	}
	return strings.Join(slices.Compact(all), "; ")
}
