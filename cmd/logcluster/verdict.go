package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	_ "time/tzdata" // maintenance is in time zones, also where the machine knows none

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

const verdictLong = `Verdict tells a running service what an alert was, by its ID:

  true      a real incident. From its beginning to its end its windows are kept
            out of the baseline, so that the next one does not look usual.
  false     nothing to see. The alert is resolved, and until the verdict ends
            the same feature of the same cluster must be clearly more unlikely
            to be told again. Other features and clusters are told as before.
  expected  real, known and meant. Nobody is told of its clusters until the
            verdict ends; without --until that is a while after the alert did.

What becomes of the baseline is a decision of its own: --baseline keep-out keeps
the windows of the alert out of it (true always does), let-in takes the level
since the alert began as usual at once. That is the only way to accept a lasting
new level of clusters that escalate, connect or touch sensitive resources.

A verdict given again replaces the one before. It is in force from the next pane
of event time that no event has reached, survives restarts, and is part of what
'replay --decisions' repeats.

The service is found by --server, LOGCLUSTER_SERVER or web.listen of --config.
It takes decisions from its own machine ('kubectl port-forward' is that), or
from whoever has the token of web.token_file: --token-file.`

const verdictExample = `  logcluster verdict 9f0c2d6be1a45d01 true --comment "stolen CI token, INC-2041"
  logcluster verdict 51a0c3d2e7f80911 false --until 24h
  logcluster verdict 7c9e66794b1c4b2e expected --until 2026-12-01T06:00:00Z --baseline keep-out
  logcluster verdict a1b2c3d4e5f60718 expected --baseline let-in --by alice
  logcluster verdict list
  logcluster verdict remove 51a0c3d2e7f80911`

// decisionFlags are the flags of everything that is decided.
type decisionFlags struct {
	until, comment, by string
}

func (f *decisionFlags) add(cmd *cobra.Command, until string) {
	flags := cmd.Flags()
	flags.StringVar(&f.until, "until", "", "`time` (2026-12-01T06:00:00Z) or duration (90m, 24h) of event time, "+until)
	flags.StringVar(&f.comment, "comment", "", "why, for whoever reads it later")
	flags.StringVar(&f.by, "by", "", "`who` decides (default: the user of this command)")
}

// end reads --until: a time, or a duration for the service to count from now.
func (f *decisionFlags) end() (until time.Time, lasts string, err error) {
	if f.until == "" {
		return time.Time{}, "", nil
	}
	if d, err := time.ParseDuration(f.until); err == nil && d > 0 {
		return time.Time{}, f.until, nil
	}
	until, err = time.Parse(time.RFC3339, f.until)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("%w: --until %q is neither a time such as 2026-12-01T06:00:00Z nor a duration such as 90m", errUsage, f.until)
	}
	return until, "", nil
}

// who returns --by, or who runs the command.
func (f *decisionFlags) who() string {
	if f.by != "" {
		return f.by
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

func newVerdict(t terminal) *cobra.Command {
	var f decisionFlags
	var baseline, output string
	cmd := &cobra.Command{
		Use:     "verdict ID true|false|expected",
		Short:   "Say what an alert was: a real incident, nothing, or expected",
		Long:    verdictLong,
		Example: verdictExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%w: an alert's ID and one of true, false, expected are needed", errUsage)
			}
			return oneOfWords("verdict", args[1], "true", "false", "expected")
		},
		ValidArgs: []string{"true", "false", "expected"},
	}
	f.add(cmd, "when it ends (default: as configured)")
	cmd.Flags().StringVar(&baseline, "baseline", "", "what becomes of the baseline: keep-out or let-in")
	choices(cmd, "baseline", "keep-out", "let-in")
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	s := addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := f.verdict(args[0], args[1], baseline)
		if err == nil {
			err = oneOf("output", output, outputTable, outputJSON)
		}
		if err != nil {
			return err
		}
		var got web.VerdictAnswer
		if err := s.post(cmd.Context(), "/api/v1/verdicts", q, &got); err != nil {
			return err
		}
		if output == outputJSON {
			return writeJSON(t.Out, got)
		}
		return writeVerdict(t.Out, &got.Verdict)
	}
	cmd.AddCommand(newVerdictList(t), newVerdictRemove(t))
	return cmd
}

// verdictBody is the body of a verdict as the service takes it.
type verdictBody struct {
	web.VerdictRequest
	For string `json:"for,omitempty"`
}

func (f *decisionFlags) verdict(id, word, baseline string) (*verdictBody, error) {
	if baseline != "" {
		if err := oneOf("baseline", baseline, "keep-out", "let-in"); err != nil {
			return nil, err
		}
	}
	q := &verdictBody{VerdictRequest: web.VerdictRequest{ID: id, Verdict: word, Baseline: baseline, Comment: f.comment, By: f.who()}}
	var err error
	q.Until, q.For, err = f.end()
	return q, err
}

// oneOfWords is [oneOf] for an argument.
func oneOfWords(what, word string, words ...string) error {
	for _, w := range words {
		if w == word {
			return nil
		}
	}
	return fmt.Errorf("%w: %s %q is none of %s", errUsage, what, word, strings.Join(words, ", "))
}

func newVerdictList(t terminal) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List verdicts, suppressions and maintenance windows",
		Long: `List what people have decided about alerts and is still kept: verdicts,
suppressions and the maintenance windows of the configuration, and the precision
that the verdicts come to: the share of true among true and false.`,
		Example: `  logcluster verdict list
  logcluster verdict list --output json | jq '.verdicts[] | select(.in_force)'`,
		Args: cobra.NoArgs,
	}
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	s := addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("output", output, outputTable, outputJSON); err != nil {
			return err
		}
		all, err := s.decided(cmd.Context())
		if err != nil {
			return err
		}
		if output == outputJSON {
			return writeJSON(t.Out, all)
		}
		return ignoreClosedPipe(all.write(t.Out))
	}
	return cmd
}

func newVerdictRemove(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a verdict back",
		Long: `Remove takes a verdict back: people hear of the alert again, and it counts for
nothing. What it did to the baseline stays done.`,
		Example: `  logcluster verdict remove 51a0c3d2e7f80911`,
		Args:    cobra.ExactArgs(1),
	}
	s := addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.remove(cmd.Context(), t.Out, "/api/v1/verdicts/", args[0])
	}
	return cmd
}

// decided is everything that people have decided: the JSON of verdict list.
type decided struct {
	SchemaVersion int               `json:"schema_version"`
	Counts        web.VerdictCounts `json:"counts"`
	Verdicts      []web.Verdict     `json:"verdicts"`
	Suppressions  []web.Suppression `json:"suppressions"`
	Maintenance   []web.Maintenance `json:"maintenance"`
}

// decided asks for all lists.
func (s *server) decided(ctx context.Context) (*decided, error) {
	var verdicts web.VerdictsAnswer
	var suppressions web.SuppressionsAnswer
	var maintenance web.MaintenanceAnswer
	for path, into := range map[string]any{
		"/api/v1/verdicts": &verdicts, "/api/v1/suppressions": &suppressions, "/api/v1/maintenance": &maintenance,
	} {
		if err := s.get(ctx, path, into); err != nil {
			return nil, err
		}
	}
	return &decided{alert.SchemaVersion, verdicts.Counts, verdicts.Verdicts, suppressions.Suppressions, maintenance.Windows}, nil
}

func (d *decided) write(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tVERDICT\tUNTIL\tBASELINE\tROLE\tRESOURCE\tACCESS\tBY\tCOMMENT")
	for i := range d.Verdicts {
		v := &d.Verdicts[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Verdict, ends(v), orDash(v.Baseline),
			v.Role, v.Resource, v.Access, orDash(v.By), v.Comment)
	}
	if len(d.Suppressions) > 0 {
		fmt.Fprintln(w, "\nID\tSUPPRESSION\tUNTIL\tBY\tCOMMENT")
	}
	for _, s := range d.Suppressions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, strings.Join(s.Matchers, " "), endsAt(s.Until, s.InForce), orDash(s.By), s.Comment)
	}
	if len(d.Maintenance) > 0 {
		fmt.Fprintln(w, "\nMAINTENANCE\tMATCHERS\tNOW")
	}
	for _, m := range d.Maintenance {
		now := "-"
		if m.Active {
			now = "active"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.Name, strings.Join(m.Matchers, " "), now)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	c := &d.Counts
	_, err := fmt.Fprintf(to, "\n%d true, %d false, %d expected", c.True, c.False, c.Expected)
	if err == nil && c.Precision != nil {
		_, err = fmt.Fprintf(to, ": precision %.0f %%", 100**c.Precision)
	}
	if err == nil {
		_, err = fmt.Fprintln(to)
	}
	return err
}

// ends says when a verdict ends.
func ends(v *web.Verdict) string {
	switch {
	case v.Verdict == "true":
		return "-"
	case v.Until == nil:
		return "a while after it ends"
	}
	return endsAt(*v.Until, v.InForce)
}

func endsAt(until time.Time, inForce bool) string {
	text := until.Format(time.RFC3339)
	if !inForce {
		text += " (over)"
	}
	return text
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func writeVerdict(w io.Writer, v *web.Verdict) error {
	_, err := fmt.Fprintf(w, "%s is %s: %s, %s, %s; in force from %s, until %s\n", v.ID, v.Verdict, v.Role, v.Resource, v.Access,
		v.InForceFrom.Format(time.RFC3339), ends(v))
	return err
}
