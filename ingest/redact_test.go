package ingest

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func redacted(s string) (string, int) {
	d := NewDecoder(DefaultConfig())
	return d.redact(s), d.result.Redacted
}

// The planted secrets are put together here, so that no scanner takes this file
// for a leak.
var (
	plantedJWT       = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImFiYyJ9" + "." + "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ" + "." + "c2lnbmF0dXJlLXNpZ25hdHVyZQ"
	plantedAWS       = "AKIA" + "IOSFODNN7EXAMPLE"
	plantedGitHub    = "ghp_" + strings.Repeat("a1B2", 9)
	plantedGitHubPAT = "github_pat_" + strings.Repeat("11ABC_", 6)
	plantedSlack     = "xoxb-" + "123456789012-1234567890123-" + strings.Repeat("aB3", 8)
	plantedGoogle    = "AIza" + "SyD-1234567890abcdefghijklmnopqrstu"
	plantedGitLab    = "glpat-" + strings.Repeat("x_-9", 5)
	plantedStripe    = "sk_live_" + strings.Repeat("4eC3", 6)
	plantedBootstrap = "07401b" + "." + "f395accd246ae52z"
)

func TestRedactPlantedSecrets(t *testing.T) {
	tests := []struct{ in, want string }{
		{plantedJWT, "[redacted:jwt]"},
		{"token=" + plantedJWT + " end", "token=[redacted:jwt] end"},
		{plantedJWT[:strings.LastIndexByte(plantedJWT, '.')], "[redacted:jwt]"},
		{"/api/" + plantedJWT + "/x", "/api/[redacted:jwt]/x"},
		{"curl Bearer abcdef0123456789ABC", "curl Bearer [redacted:bearer]"},
		{"bearer " + plantedJWT, "bearer [redacted:bearer]"},
		{"id " + plantedAWS + ".", "id [redacted:aws_key]."},
		{"ASIA" + plantedAWS[4:], "[redacted:aws_key]"},
		{"x-" + plantedGitHub, "x-[redacted:github_token]"},
		{plantedGitHubPAT, "[redacted:github_token]"},
		{"(" + plantedSlack + ")", "([redacted:slack_token])"},
		{plantedGoogle, "[redacted:google_key]"},
		{plantedGitLab, "[redacted:gitlab_token]"},
		{plantedStripe, "[redacted:stripe_key]"},
		{"join " + plantedBootstrap, "join [redacted:bootstrap_token]"},
		{"4111111111111111", "[redacted:card]"},
		{"card 4111 1111 1111 1111.", "card [redacted:card]."},
		{"card 4111 1111 1111 1111 was used", "card [redacted:card] was used"},
		{"order-5500-0000-0000-0004", "order-[redacted:card]"},
		{"amex 3782-822463-10005", "amex [redacted:card]"},
		{"378282246310005,6011111111111117", "[redacted:card],[redacted:card]"},
		{"/pay/4000056655665556/x/2223003122003222", "/pay/[redacted:card]/x/[redacted:card]"},
		{plantedAWS + " " + plantedJWT + " " + plantedAWS, "[redacted:aws_key] [redacted:jwt] [redacted:aws_key]"},
	}
	for _, test := range tests {
		got, n := redacted(test.in)
		if got != test.want || n != strings.Count(test.want, "[redacted:") {
			t.Errorf("%q: got %q (%d), want %q", test.in, got, n, test.want)
		}
	}
}

func TestRedactLeavesOrdinaryTextAlone(t *testing.T) {
	for _, text := range []string{
		"", "a", "system:serviceaccount:payments:release-bot",
		"7f3c1c52-9a0e-4d0b-8f1e-5b9a6f0c2d11",
		"41111111-1111-4111-8111-111111111111", "00000000-4111-1111-1111-111100000000", // UUIDs of digits
		"4111-1111-1111-1111-1111-1111", "1-4111-1111-1111-1111",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"ledger-api-7d4b9c6f5-qk2wz", "web-0", "job-28912345-abcde", "tool-ro46xm-j5c2q.3691241750480715",
		"worker.17a3b4c5d6e7f801", "backup.18bfa0c1d2e3f4a5",
		"1793577600015121", "1793577600015", "20261102000000015121", "2026110200000015", "20261102T000000.015121Z",
		"4111111111111112",  // wrong check digit
		"41111111111111110", // wrong length
		"a4111111111111111", "4111111111111111a", "0123456789012345", "9999999999999995",
		"kubectl/v1.35.3 (linux/amd64) kubernetes/4d5f1f1", "argocd-application-controller/v0.0.0 (linux/amd64) kubernetes/$Format",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Bearer token is missing", "bearer short",
		"eyJ", "eyJhbGciOi", "eyJhbGciOiJSUzI1NiJ9", "honeyJarOfTheBear.jar.gz", "keyJournalEntry.namespaceOfIt",
		"AKIAIOSFODNN7", "AKIAIOSFODNN7EXAMPLEX", "MAKIAIOSFODNN7EXAMPLE", "AKIAiosfodnn7example", "ghp_short", "xoxb-x", "AIza", "sk_live_x",
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "10.12.2.25", "ip-10-12-2-25.eu-west-1.compute.internal",
		"master.internaldomains1", "node01.example01cluster.internal", "server.kubernetesprofil",
		`RBAC: allowed by ClusterRoleBinding "operator-leases" of ClusterRole "operator-leases" to ServiceAccount "argocd-application-controller/argocd"`,
	} {
		if got, n := redacted(text); got != text || n != 0 {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// A secret in an event is masked wherever text is kept, but not in the name of
// the subject.
func TestDecodeMasksSecrets(t *testing.T) {
	record := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","auditID":%[1]q,"verb":"get",`+
		`"user":{"username":%[1]q,"groups":["x",%[1]q]},"impersonatedUser":{"username":%[1]q,"groups":[%[1]q]},"userAgent":%[1]q,`+
		`"objectRef":{"resource":"pods","namespace":%[1]q,"name":%[1]q},"stageTimestamp":"2026-03-09T14:07:31Z",`+
		`"annotations":{"authorization.k8s.io/reason":"to \"%[1]s\""}}`, plantedJWT)
	d := NewDecoder(DefaultConfig())
	events, result, err := decodeAll(d, []byte(record))
	if err != nil || len(events) != 1 {
		t.Fatalf("error %v", err)
	}
	e := events[0]
	if e.User != plantedJWT || e.ActingAs != plantedJWT {
		t.Errorf("a subject was masked: %q, %q", e.User, e.ActingAs)
	}
	e.User, e.ActingAs = "", ""
	if text := fmt.Sprintf("%+v", e); strings.Contains(text, "eyJ") || result.Redacted != 7 {
		t.Errorf("%d masked: %s", result.Redacted, text)
	}
	if e.Reason != `to "[redacted:jwt]"` {
		t.Errorf("reason %q", e.Reason)
	}
	path := event("/x?q", "/login/"+plantedGitHub+"?token="+plantedJWT)
	if events, _, _ := decodeAll(d, []byte(path)); events[0].Resource.Path != "/login/[redacted:github_token]" {
		t.Errorf("path %q", events[0].Resource.Path)
	}
}

// Whatever surrounds it, a secret that stands alone does not survive, and
// masking twice changes nothing.
func TestRedactProperty(t *testing.T) {
	around := rapid.StringOf(rapid.RuneFrom([]rune("aJIxz_-.= 09/é\"\x00")))
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SampledFrom([]string{plantedJWT, plantedAWS, plantedGitHub, plantedGoogle, plantedStripe}).Draw(t, "secret")
		text := around.Draw(t, "before") + "/" + secret + "/" + around.Draw(t, "after")
		got, n := redacted(text)
		if n == 0 || strings.Contains(got, secret) {
			t.Fatalf("%q became %q", text, got)
		}
		if again, _ := redacted(got); again != got {
			t.Fatalf("%q became %q, then %q", text, got, again)
		}
	})
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{plantedJWT, plantedAWS, plantedGitHub, plantedSlack, plantedBootstrap, "4111 1111 1111 1111", "bearer abcdefghijklmnopq"} {
		f.Add("x " + s + " y")
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, n := redacted(text)
		if (n == 0) != (got == text) {
			t.Errorf("%q became %q, %d masked", text, got, n)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	d := NewDecoder(DefaultConfig())
	for _, text := range []string{
		"argocd-application-controller/v0.0.0 (linux/amd64) kubernetes/$Format",
		"7f3c1c52-9a0e-4d0b-8f1e-5b9a6f0c2d11",
		`RBAC: allowed by ClusterRoleBinding "operator-leases" of ClusterRole "operator-leases" to ServiceAccount "argocd-application-controller/argocd"`,
	} {
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d.redact(text)
			}
		})
	}
}

// Text that begins a token again and again, and never has one, takes time in
// proportion to its length: following each beginning to the end of the text
// would take longer than the test may.
func TestRedactIsLinear(t *testing.T) {
	for _, unit := range []string{"-eyJ", "-eyJ-" + plantedAWS + "-"} {
		text := strings.Repeat(unit, 4<<20/len(unit))
		got, n := redacted(text)
		if want := strings.Count(text, plantedAWS); n != want || strings.Contains(got, plantedAWS) {
			t.Errorf("%q, repeated: %d secrets masked, want %d", unit, n, want)
		}
	}
}
