package cluster

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata print into them")

// TestScripts runs the scripts in testdata. A script is a list of blocks:
// commands, a line "----", and what they print, up to an empty line. The
// commands are
//
//	config NAME=VALUE…         a new Windows; the default is 1m windows every 30s
//	source ID NAME             add a source
//	mark ID idle|stalled|active
//	remove ID
//	event t=TIME NAME=VALUE…   src, tenant, role, verb, res, user, from, ns, obj,
//	                           code, record (TIME or none), x (how often);
//	                           prints the outcome unless it is clustered
//	advance, finish            print what is handed out
//	quiet                      advance without printing but a summary
//	restart                    snapshot, encode, decode, restore
//	stats
//
// A TIME is [DAY/]HOUR:MINUTE:SECOND, with day 0 on 2026-01-01, or a year.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { runScript(t, path) })
	}
}

func runScript(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t}
	s.config(nil)
	var result strings.Builder
	scan := bufio.NewScanner(strings.NewReader(string(text)))
	for scan.Scan() {
		line := scan.Text()
		result.WriteString(line + "\n")
		if line != "----" {
			if line != "" && !strings.HasPrefix(line, "#") {
				s.do(strings.Fields(line))
			}
			continue
		}
		for scan.Scan() && scan.Text() != "" {
		}
		result.WriteString(s.out.String())
		s.out.Reset()
		result.WriteString("\n")
	}
	got := strings.TrimRight(result.String(), "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := strings.Split(string(text), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("%s:%d: want\n%s\ngot\n%s", path, i+1, strings.Join(want[min(i, len(want)):], "\n"), line)
		}
	}
}

type script struct {
	t     *testing.T
	w     *Windows
	out   strings.Builder
	quiet bool
	count counter
}

var scriptDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *script) do(args []string) {
	s.t.Helper()
	cmd, args := args[0], args[1:]
	switch cmd {
	case "config":
		s.config(args)
	case "source":
		s.w.AddSource(s.number(args[0]), args[1])
	case "remove":
		s.w.RemoveSource(s.number(args[0]))
	case "mark":
		states := map[string]SourceState{"active": SourceActive, "idle": SourceIdle, "stalled": SourceStalled}
		s.w.MarkSource(s.number(args[0]), states[args[1]])
	case "event":
		s.event(args)
	case "advance":
		s.w.Advance(s)
	case "finish":
		s.w.Finish(s)
	case "quiet":
		s.quiet, s.count = true, counter{}
		s.w.Advance(s)
		s.quiet = false
		fmt.Fprintf(&s.out, "%d evaluations, %d trainings\n", s.count.evaluations, s.count.trainings)
	case "restart":
		s.w = reload(s.t, s.w)
	case "stats":
		st := s.w.Stats()
		for o, n := range st.Outcomes {
			fmt.Fprintf(&s.out, "%v=%d ", Outcome(o), n)
		}
		fmt.Fprintf(&s.out, "open=%d tenants=%d clusters=%d active=%d seen=%d unknown=%d watermark=%s frontier=%s\n",
			st.OpenPanes, st.Tenants, st.Clusters, st.ActiveClusters, st.Seen, st.SeenUnknown, clockTime(st.Watermark), clockTime(st.Frontier))
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) config(args []string) {
	c := DefaultConfig()
	c.Window, c.MaxGap = time.Minute, 2*time.Minute
	c.MediumWindow, c.LongWindow = 0, 0
	numbers := map[string]*int{
		"max_clusters": &c.MaxClusters, "max_tenants": &c.MaxTenants, "max_distinct": &c.MaxDistinct,
		"max_new_clusters": &c.MaxNewClusters, "max_fingerprints": &c.MaxFingerprints, "max_seen": &c.MaxSeen, "max_seen_per_subject": &c.MaxSeenPerSubject,
	}
	lengths := map[string]*time.Duration{
		"medium_window": &c.MediumWindow, "medium_slide": &c.MediumSlide, "long_window": &c.LongWindow, "long_slide": &c.LongSlide,
		"pane": &c.Pane, "window": &c.Window, "slide": &c.Slide, "grace": &c.Grace,
		"out_of_orderness": &c.OutOfOrderness, "max_gap": &c.MaxGap, "seen_for": &c.SeenFor,
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch {
		case numbers[name] != nil:
			*numbers[name], err = strconv.Atoi(value)
		case lengths[name] != nil:
			*lengths[name], err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("unknown setting %q", name)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.w = New(c)
}

func (s *script) event(args []string) {
	f := map[string]string{"src": "0", "tenant": "a", "role": "r", "verb": "get", "res": "pods", "code": "200", "x": "1"}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		f[name] = value
	}
	e := fingerprint.Event{
		Time: s.time(f["t"]), Tenant: f["tenant"], User: f["user"], Verb: f["verb"], Source: f["from"], Code: s.number(f["code"]),
		Resource: fingerprint.Resource{Name: f["res"], Namespace: f["ns"], Object: f["obj"]},
	}
	if e.Code == 403 {
		e.Decision = fingerprint.DecisionForbid
	}
	record := e.Time
	if at := f["record"]; at == "none" {
		record = 0
	} else if at != "" {
		record = s.time(at)
	}
	fp := printOf(f["tenant"], f["role"], f["verb"], f["res"], fingerprint.AccessRead)
	for range s.number(f["x"]) {
		if o := s.w.Add(&e, fp, Origin{Source: s.number(f["src"]), RecordTime: record}); o != Clustered {
			fmt.Fprintf(&s.out, "%s %v\n", f["t"], o)
		}
	}
}

func (s *script) time(text string) int64 {
	if year, err := strconv.Atoi(text); err == nil {
		return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	day := 0
	if d, rest, found := strings.Cut(text, "/"); found {
		day, text = s.number(d), rest
	}
	at, err := time.Parse("15:04:05", text)
	if err != nil {
		s.t.Fatal(err)
	}
	return scriptDay.AddDate(0, 0, day).Add(at.Sub(at.Truncate(24 * time.Hour))).UnixNano()
}

func clockTime(t int64) string {
	if t == 0 {
		return "never"
	}
	at := time.Unix(0, t).UTC()
	if day := at.Sub(scriptDay) / (24 * time.Hour); day != 0 || t < scriptDay.UnixNano() {
		return fmt.Sprintf("%d/%s", day, at.Format("15:04:05"))
	}
	return at.Format("15:04:05")
}

func (s *script) Train(t *Training) {
	s.count.Train(t)
	if s.quiet {
		return
	}
	fmt.Fprintf(&s.out, "train %s%s %s-%s", scaleMark(t.Scale), t.Tenant, clockTime(t.Start), clockTime(t.End))
	if t.Incomplete {
		s.out.WriteString(" incomplete")
	}
	s.out.WriteString("\n")
	s.windows(t.Windows)
}

func (s *script) Evaluate(e *Evaluation) {
	s.count.Evaluate(e)
	if s.quiet {
		return
	}
	fmt.Fprintf(&s.out, "evaluate %s%s %s-%s", scaleMark(e.Scale), e.Tenant, clockTime(e.Start), clockTime(e.End))
	if e.Partial != nil {
		fmt.Fprintf(&s.out, " without %s", strings.Join(e.Partial, ", "))
	}
	s.out.WriteString("\n")
	s.windows(e.Windows)
}

var featureNames = [NumFeatures]string{
	"events", "denied", "failed", "subjects", "objects", "namespaces", "sources",
	"new_fingerprints", "new_resources", "new_sources", "new_roles", "new_powers",
}

func (s *script) windows(windows []Window) {
	for i := range windows {
		w := &windows[i]
		fmt.Fprintf(&s.out, "  %s/%s:%s", w.Cluster.Role, w.Cluster.Resource, nonZero(w.Counts))
		if w.Fresh != (Counts{}) {
			fmt.Fprintf(&s.out, "; fresh:%s", nonZero(w.Fresh))
		}
		if w.Either != 0 {
			fmt.Fprintf(&s.out, "; stayed: %d of %d", w.Stayed, w.Either)
		}
		if top := w.AppendTop(nil, BySubject, TopSubjects); len(top) > 0 {
			fmt.Fprintf(&s.out, "; top: %v", top)
		}
		s.out.WriteString("\n")
	}
}

func scaleMark(s Scale) string {
	if s == Short {
		return ""
	}
	return s.String() + " "
}

func nonZero(c Counts) string {
	var b strings.Builder
	for f, n := range c {
		if n != 0 {
			fmt.Fprintf(&b, " %s=%d", featureNames[f], n)
		}
	}
	return b.String()
}
