//go:build browser

package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// chromium runs a headless browser and returns its stdout.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("skipped: no chromium; on Debian: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
	}, args...)
	cmd := exec.CommandContext(ctx, bin, args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, errors.String())
	}
	return string(out)
}

func serve(t *testing.T, src Source) string { return serveRoles(t, src, nil) }

func serveRoles(t *testing.T, src Source, roles Roles) string {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Refresh = time.Second
	o := optionsOf(src)
	o.Roles = roles
	srv := httptest.NewServer(NewHandler(cfg, o))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestBrowserShowsTheList looks at the page as a reader's browser makes it:
// after its script has refreshed the list several times.
func TestBrowserShowsTheList(t *testing.T) {
	dom := chromium(t, "--virtual-time-budget=5000", "--dump-dom", serve(t, story())+"/")
	for _, want := range []string{
		`data-id="9f0c2d6be1a45d01"`, `data-id="2b7e151628aed2a6"`, `data-id="7c9e66794b1c4b2e"`,
		"<polyline", "&lt;script&gt;document.title='owned'&lt;/script&gt;", "{{.Version}}", "As of 09:30:00 UTC",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if !strings.Contains(dom, "<title>logcluster</title>") {
		t.Error("a script from a record ran: the title has changed")
	}
	for _, bad := range []string{"<script>document", "<img src=\"x\"", "<img src=x"} {
		if strings.Contains(dom, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if n := strings.Count(dom, "<tbody role=\"rowgroup\""); n != len(story().anomalies) {
		t.Errorf("%d rows after refreshing, want %d", n, len(story().anomalies))
	}
	// The script ran: it has shown what works only with it.
	if strings.Contains(dom, `id="pause" type="button" hidden`) || strings.Contains(dom, `class="copy" hidden`) {
		t.Error("the page's own script did not run")
	}
}

func TestBrowserShowsAnEmptyList(t *testing.T) {
	dom := chromium(t, "--virtual-time-budget=3000", "--dump-dom", serve(t, learning())+"/")
	if !strings.Contains(dom, "Learning what is usual") {
		t.Error("the page does not explain why it is empty")
	}
}

// changing are roles whose policy has another version whenever it is asked for.
type changing struct {
	*fixedRoles
	version atomic.Uint64
}

func (c *changing) Policies(string) []Policy {
	p := *c.policy
	p.Version = 1000 + c.version.Add(1)
	return []Policy{p}
}

// TestBrowserKeepsOpen checks that what a link opened stays open while the page
// of the roles changes under it.
func TestBrowserKeepsOpen(t *testing.T) {
	roles := &changing{fixedRoles: teams()}
	dom := chromium(t, "--virtual-time-budget=12000", "--dump-dom", serveRoles(t, story(), roles)+"/roles#family-5be1a45d019f0c2d")
	if !strings.Contains(dom, `<details data-key="family-production-5be1a45d019f0c2d" open="">`) {
		t.Error("the family of the link is not open")
	}
	if strings.Contains(dom, `<details data-key="family-production-1628aed2a62b7e15" open`) {
		t.Error("another family is open")
	}
	if roles.version.Load() < 2 || strings.Contains(dom, "<b>version 1,001</b>") {
		t.Errorf("the page was not refreshed: the policy was asked for %d times", roles.version.Load())
	}
}

// TestBrowserOffersToAsk checks that a question in a link is in the form, and
// that there is nothing to pause where nothing changes.
func TestBrowserOffersToAsk(t *testing.T) {
	yes := true
	roles := teams()
	roles.explanation = deployer(&yes)
	dom := chromium(t, "--virtual-time-budget=3000", "--dump-dom", serveRoles(t, story(), roles)+"/explain?user=alice&verb=get&resource=secrets")
	for _, want := range []string{`name="user" value="alice"`, "May alice get secrets in the whole cluster?", `id="pause" type="button" hidden`} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// TestScreenshots draws the page for people to look at, into the directory
// LOGCLUSTER_SCREENSHOTS.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("LOGCLUSTER_SCREENSHOTS")
	if dir == "" {
		t.Skip("skipped: set LOGCLUSTER_SCREENSHOTS to a directory to have the page drawn there")
	}
	yes, no := true, false
	allowed, refused, everything := teams(), teams(), teams()
	allowed.explanation, refused.explanation, everything.explanation = deployer(&yes), deployer(&no), deployer(nil)
	runner := "explain?namespace=payments&user=system:serviceaccount:payments:ci-runner"
	pages := map[string]struct {
		src   Source
		roles Roles
		path  string
	}{
		"list":       {story(), teams(), ""},
		"stale":      {story(), stale(), ""},
		"open":       {&fixed{story().status, story().anomalies[:2]}, teams(), "#00c19f0c2d6be1a45d01"},
		"empty":      {learning(), nil, ""},
		"roles":      {story(), teams(), "roles#family-5be1a45d019f0c2d"},
		"doubts":     {story(), stale(), "roles"},
		"no-roles":   {learning(), nil, "roles"},
		"ask":        {story(), teams(), "explain"},
		"allowed":    {story(), allowed, runner + "&verb=get&resource=secrets&name=registry"},
		"refused":    {story(), refused, "explain?user=alice&verb=get&resource=secrets"},
		"everything": {story(), everything, runner},
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			screenshots(t, filepath.Join(dir, name), serveRoles(t, page.src, page.roles)+"/"+page.path)
		})
	}
}

// TestVerdictsScreenshots draws the page of the verdicts.
func TestVerdictsScreenshots(t *testing.T) {
	dir := os.Getenv("LOGCLUSTER_SCREENSHOTS")
	if dir == "" {
		t.Skip("skipped: set LOGCLUSTER_SCREENSHOTS to a directory to have the page drawn there")
	}
	srv := httptest.NewServer(NewHandler(DefaultConfig(), optionsOfDecided()))
	t.Cleanup(srv.Close)
	screenshots(t, filepath.Join(dir, "verdicts"), srv.URL+"/verdicts")
}

func screenshots(t *testing.T, name, url string) {
	for _, width := range []int{1280, 768, 400} {
		for _, theme := range []string{"light", "dark"} {
			args := []string{
				fmt.Sprintf("--window-size=%d,%d", width, map[int]int{1280: 1100, 768: 1400, 400: 1900}[width]),
				"--virtual-time-budget=1500", fmt.Sprintf("--screenshot=%s-%d-%s.png", name, width, theme),
			}
			if theme == "dark" {
				args = append(args, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
			}
			chromium(t, append(args, url)...)
		}
	}
}
