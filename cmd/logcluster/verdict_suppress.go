package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

const suppressLong = `Suppress keeps people from being told of what matches, until a time. It is still
found, shown and written to the topic of anomalies, with the reason.

Matchers are written as for Alertmanager: name="value", name!="value",
name=~"regular expression" and name!~"…" (RE2, of the whole value). All must
match. The names are tenant, role, resource, access, cluster and subject; the
last matches when those that it matches did more than half of the events.

Recurring times belong into the configuration: verdicts.maintenance.`

// suppressionBody is the body of a suppression as the service takes it.
type suppressionBody struct {
	web.SuppressionRequest
	For string `json:"for,omitempty"`
}

func newSuppress(t terminal) *cobra.Command {
	var f decisionFlags
	var output string
	cmd := &cobra.Command{
		Use:   "suppress MATCHER... --until TIME|DURATION",
		Short: "Keep people from being told of what matches, for a while",
		Long:  suppressLong,
		Example: `  logcluster suppress 'role=~"ClusterRole/ci-.*"' 'access="write"' --until 2h --comment "migration"
  logcluster suppress 'subject="backup@example.com"' --until 2026-12-01T06:00:00Z
  logcluster suppress list
  logcluster suppress remove s12`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf(`%w: at least one matcher such as tenant="production" is needed`, errUsage)
			}
			return nil
		},
	}
	f.add(cmd, "when it ends; required")
	must(cmd.MarkFlagRequired("until"))
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	s := addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, matchers []string) error {
		q := suppressionBody{SuppressionRequest: web.SuppressionRequest{Matchers: matchers, Comment: f.comment, By: f.who()}}
		var err error
		if q.Until, q.For, err = f.end(); err == nil {
			err = oneOf("output", output, outputTable, outputJSON)
		}
		if err != nil {
			return err
		}
		var got web.SuppressionAnswer
		if err := s.post(cmd.Context(), "/api/v1/suppressions", q, &got); err != nil {
			return err
		}
		if output == outputJSON {
			return writeJSON(t.Out, got)
		}
		_, err = fmt.Fprintf(t.Out, "%s: nobody is told of %s from %s until %s\n", got.Suppression.ID, strings.Join(got.Suppression.Matchers, " "),
			got.Suppression.InForceFrom.Format(time.RFC3339), got.Suppression.Until.Format(time.RFC3339))
		return err
	}
	list := newVerdictList(t)
	list.Example = strings.ReplaceAll(list.Example, "verdict list", "suppress list")
	remove := &cobra.Command{
		Use:     "remove ID",
		Short:   "End a suppression",
		Long:    `Remove ends a suppression: what it kept back and still fires is told.`,
		Example: `  logcluster suppress remove s12`,
		Args:    cobra.ExactArgs(1),
	}
	removing := addServer(remove)
	remove.RunE = func(cmd *cobra.Command, args []string) error {
		return removing.remove(cmd.Context(), t.Out, "/api/v1/suppressions/", args[0])
	}
	cmd.AddCommand(list, remove)
	return cmd
}
