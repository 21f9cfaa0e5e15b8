package fingerprint

import (
	"strings"
	"testing"
)

// resource reads "group/resource/subresource"; the group is "core" or "path".
func resource(t *testing.T, s string) Resource {
	t.Helper()
	group, name, _ := strings.Cut(s, " ")
	if group == "path" {
		return Resource{Path: name}
	}
	r := Resource{Group: strings.TrimPrefix(group, "core")}
	r.Name, r.Subresource, _ = strings.Cut(name, "/")
	return r
}

func TestClassify(t *testing.T) {
	const (
		rbacGroup = "rbac.authorization.k8s.io "
		admission = "admissionregistration.k8s.io "
		certs     = "certificates.k8s.io "
	)
	for _, tc := range []struct {
		resource string
		verbs    string
		want     Access
	}{
		{"core pods", "get list watch", AccessRead},
		{"core pods", "create update patch", AccessWrite},
		{"core pods", "delete deletecollection", AccessDelete},
		{"core pods", "frobnicate", AccessWrite},
		{"core pods/log", "get", AccessRead},
		{"core pods/status", "patch", AccessWrite},
		{"core pods/binding", "create", AccessWrite},
		{"core pods/eviction", "create", AccessDelete},
		{"core pods/exec", "get create", AccessConnect},
		{"core pods/attach", "get create", AccessConnect},
		{"core pods/portforward", "get create", AccessConnect},
		{"core pods/proxy", "get create update delete", AccessConnect},
		{"core services/proxy", "get create", AccessConnect},
		{"core nodes/proxy", "get create", AccessConnect},
		{"core pods/ephemeralcontainers", "patch update", AccessConnect},
		{"core pods/ephemeralcontainers", "get", AccessRead},
		{"subresources.kubevirt.io virtualmachineinstances/portforward", "get", AccessConnect},
		{"core secrets", "get list", AccessRead},
		{"core serviceaccounts", "create", AccessWrite},
		{"core serviceaccounts", "impersonate", AccessEscalate},
		{"core serviceaccounts/token", "create", AccessEscalate},
		{certs + "certificatesigningrequests", "create", AccessWrite},
		{certs + "certificatesigningrequests", "get", AccessRead},
		{certs + "certificatesigningrequests/approval", "update patch", AccessEscalate},
		{certs + "certificatesigningrequests/status", "update", AccessEscalate},
		{certs + "certificatesigningrequests/status", "get", AccessRead},
		{certs + "signers", "approve sign attest", AccessEscalate},
		{rbacGroup + "roles", "create update patch delete deletecollection bind escalate", AccessEscalate},
		{rbacGroup + "rolebindings", "create update patch delete deletecollection", AccessEscalate},
		{rbacGroup + "clusterroles", "create bind escalate", AccessEscalate},
		{rbacGroup + "clusterrolebindings", "create delete", AccessEscalate},
		{rbacGroup + "clusterrolebindings", "get list watch", AccessRead},
		{"iam.example.com roles", "create", AccessWrite},
		{admission + "mutatingwebhookconfigurations", "create update patch delete", AccessEscalate},
		{admission + "validatingwebhookconfigurations", "delete", AccessEscalate},
		{admission + "validatingadmissionpolicies", "create", AccessEscalate},
		{admission + "validatingadmissionpolicies/status", "update", AccessWrite},
		{admission + "mutatingadmissionpolicybindings", "create", AccessEscalate},
		{admission + "mutatingwebhookconfigurations", "list", AccessRead},
		{"authorization.k8s.io selfsubjectaccessreviews", "create", AccessReview},
		{"authorization.k8s.io selfsubjectrulesreviews", "create", AccessReview},
		{"authorization.k8s.io subjectaccessreviews", "create", AccessReview},
		{"authorization.k8s.io localsubjectaccessreviews", "create", AccessReview},
		{"authentication.k8s.io selfsubjectreviews", "create", AccessReview},
		{"authentication.k8s.io tokenreviews", "create", AccessReview},
		{"shop.example.com tokenreviews", "create", AccessWrite},
		{"path /metrics", "get head options", AccessRead},
		{"path /debug/pprof/", "post put patch", AccessWrite},
		{"path /logs", "delete", AccessDelete},
	} {
		r := resource(t, tc.resource)
		for verb := range strings.FieldsSeq(tc.verbs) {
			if got := Classify(verb, &r); got != tc.want {
				t.Errorf("%s of %s is %v, want %v", verb, tc.resource, got, tc.want)
			}
		}
	}
}

func TestIsSensitive(t *testing.T) {
	for s, want := range map[string]bool{
		"core secrets":                           true,
		"core serviceaccounts/token":             true,
		"core serviceaccounts":                   false,
		"core configmaps":                        false,
		"core pods/exec":                         false,
		"vault.example.com secrets":              false,
		"rbac.authorization.k8s.io rolebindings": true,
		"rbac.authorization.k8s.io clusterroles": true,

		"admissionregistration.k8s.io mutatingwebhookconfigurations":      true,
		"admissionregistration.k8s.io validatingadmissionpolicies/status": true,
		"certificates.k8s.io certificatesigningrequests/approval":         true,
		"certificates.k8s.io signers":                                     false,
		"path /metrics":                                                   false,
	} {
		r := resource(t, s)
		if got := IsSensitive(&r); got != want {
			t.Errorf("%s is sensitive: %v, want %v", s, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for a := AccessReview; a <= AccessEscalate; a++ {
		if got, err := ParseAccess(a.String()); err != nil || got != a {
			t.Errorf("%v parses as %v, %v", a, got, err)
		}
	}
	for d := DecisionUnknown; d <= DecisionForbid; d++ {
		if got, err := ParseDecision(d.String()); err != nil || got != d {
			t.Errorf("%v parses as %v, %v", d, got, err)
		}
	}
	if _, err := ParseAccess("peek"); err == nil {
		t.Error("an unknown access parses")
	}
	if _, err := ParseDecision(""); err == nil {
		t.Error("an empty decision parses")
	}
	if got := ID(0x1f).String(); got != "000000000000001f" {
		t.Errorf("an id is written %q", got)
	}
}
