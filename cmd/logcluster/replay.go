package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

const replayLong = `Replay runs the stages of the service over recorded audit events, from files or
from stdin (-), as fast as the machine allows and without Kafka. Time is taken
from the events, so that it gives what the live service would have given.

Files are read in the order given, as one stream. Plain, gzip and zstd are told
apart by content. Each line is an audit.k8s.io Event or EventList.

Where the data goes: the result to stdout, nothing anywhere else. With --output
table it is the list of alerts for a person; with --output json one object a
line whenever an alert changes state (its fields: the schema of the alerts in
Loki). With --labels the figures of the detection follow: recall, recall by
chance, precision, alerts a day, time to detect.`

func newReplay(t terminal, logs *logFlags) *cobra.Command {
	o := replayOptions{Output: t.Out}
	cmd := &cobra.Command{
		Use:   "replay FILE...|-",
		Short: "Run the detection over recorded files, without Kafka",
		Long:  replayLong,
		Example: `  logcluster replay audit.jsonl.zst
  logcluster replay --rbac rbac.yaml --output json day1.jsonl.gz day2.jsonl.gz
  kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml > rbac.yaml
  zcat audit-*.log.gz | logcluster replay --rbac rbac.yaml -`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.Format, "output", "o", "table", "how the result is written: table or json")
	flags.StringArrayVar(&o.RBAC, "rbac", nil, "`file or directory` of RBAC objects (YAML or JSON); repeatable")
	flags.StringVar(&o.Labels, "labels", "", "`file` of labelled incidents (JSON) to judge the detection by")
	choices(cmd, "output", "table", "json")
	s := addSettings(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if !slices.Contains([]string{"table", "json"}, o.Format) {
			return fmt.Errorf("%w: --output %q is neither table nor json", errUsage, o.Format)
		}
		if slices.Contains(files, "-") && len(files) > 1 {
			return fmt.Errorf("%w: - (stdin) stands alone", errUsage)
		}
		var err error
		if o.Logger, err = logs.logger(t.Err); err != nil {
			return err
		}
		if o.Config, err = s.load(); err != nil {
			return err
		}
		o.Files = files
		o.Progress = progressTo(t.Err)
		return ignoreClosedPipe(replay(cmd.Context(), o))
	}
	return cmd
}

// ignoreClosedPipe makes "logcluster replay … | head" a success.
func ignoreClosedPipe(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
