package main

import (
	"errors"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
)

const replayLong = `Replay runs the stages of the service over recorded audit events, from files or
from stdin (-), as fast as the machine allows and without Kafka. Time is taken
from the events, so that it gives what the live service would have given.

Files are read in the order given, as one stream. Plain text, gzip and zstd are
told apart by content. Each line is an audit.k8s.io Event or EventList.

Where the data goes: the result to stdout, nothing anywhere else. With --output
table it is one line for each change of an alert, for a person, and with
--explain all that it was found by, below the line where it fires; with --output
json one object a line, with the fields that Loki receives. A summary goes to
stderr. With --labels the detection is judged by labelled incidents: recall,
recall by chance, precision, alerts a day, time to detect; after the table on
stdout, with json on stderr.`

func newReplay(t terminal, logs *logFlags) *cobra.Command {
	o := app.ReplayOptions{Notes: t.Err, Style: styleOf(t.Out)}
	var output string
	var rbac []string
	cmd := &cobra.Command{
		Use:   "replay FILE...|-",
		Short: "Run the detection over recorded files, without Kafka",
		Long:  replayLong,
		Example: `  logcluster replay audit.jsonl.zst
  logcluster replay --rbac rbac.yaml --output json day1.jsonl.gz day2.jsonl.gz
  kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml > rbac.yaml
  cat audit-*.log | logcluster replay --rbac rbac.yaml -`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	flags.StringArrayVar(&rbac, "rbac", nil, "`file or directory` of RBAC objects (YAML or JSON); repeatable")
	flags.StringVar(&o.Decisions, "decisions", "", "journal (`file`) of a run, to repeat its role policies, limits and verdicts instead of the configuration's")
	cmd.MarkFlagsMutuallyExclusive("decisions", "rbac")
	flags.StringVar(&o.Verdicts, "verdicts", "", "journal (`file`) of a run, to repeat what people decided about its alerts")
	cmd.MarkFlagsMutuallyExclusive("decisions", "verdicts")
	flags.StringVar(&o.Labels, "labels", "", "`file` of labelled incidents (JSON) to judge the detection by")
	flags.BoolVar(&o.Explain, "explain", false, "write below each alert that fires what it was found by: features, who, what is new, evidence, query (table only)")
	flags.StringVar(&o.Tenant, "tenant", "", `tenant of all events (default "default")`)
	s := addSettings(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		err := errors.Join(oneOf("output", output, outputTable, outputJSON), onlyStdin(files))
		if err != nil {
			return err
		}
		if o.Logger, err = logs.logger(t.Err); err != nil {
			return err
		}
		if o.Config, err = s.load("kafka", "topics"); err != nil {
			return err
		}
		if len(rbac) > 0 {
			o.Config.Roles.Policy.Files.Paths = rbac
		}
		bar := newProgress(t.Err, "replaying")
		defer bar.finish()
		o.Files, o.JSON = files, output == outputJSON
		o.Progress, o.Output, o.Notes = bar.report(), bar.beside(t.Out), bar.beside(t.Err)
		return ignoreClosedPipe(app.Replay(cmd.Context(), o))
	}
	return cmd
}

// ignoreClosedPipe makes "logcluster replay … | head" a success.
func ignoreClosedPipe(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
