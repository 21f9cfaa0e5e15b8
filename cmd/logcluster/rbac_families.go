package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/review"
)

const rbacFamiliesLong = `Families replays recorded events and prints the role families at their end: role
keys that are alike in what they may do and in what they do, such as the editor
roles of many teams. They are learned at every retrain (baseline.retrain, in
event time) and never mix classes of power.

Silhouette says how well the families are apart, from -1 to 1; stability how
much they agree with those of the retrain before, from 0 to 1. Both are printed
for the end, and stability also over the whole time. Without a policy only what
roles do is known, and families of one class only.

The detection runs as with 'logcluster replay'; its alerts are not written. A
running logcluster tells the same of its stream at /api/v1/families.`

func newRBACFamilies(t terminal, logs *logFlags) *cobra.Command {
	var o app.ReplayOptions
	var output string
	var paths []string
	cmd := &cobra.Command{
		Use:   "families --rbac FILE|DIR AUDIT...|-",
		Short: "Show which roles are alike, and how well and how long",
		Long:  rbacFamiliesLong,
		Example: `  logcluster rbac families --rbac rbac.yaml audit.jsonl.zst
  logcluster rbac families --rbac rbac.yaml --set roles.families.cut=0.4 audit.jsonl.zst
  logcluster rbac families --rbac rbac.yaml -o json - < audit.log | jq '.tenants[].families[].name'`,
		Args: cobra.MinimumNArgs(1),
	}
	rbacFlag(cmd, &paths)
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	cmd.Flags().StringVar(&o.Tenant, "tenant", "", `tenant of all events (default "default")`)
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
		o.Config.Roles.Policy.Files.Paths = paths
		o.Files = files
		report, err := families(cmd.Context(), t, o)
		if err != nil {
			return err
		}
		if output == outputJSON {
			return ignoreClosedPipe(writeJSON(t.Out, report))
		}
		return ignoreClosedPipe(report.WriteText(t.Out))
	}
	return cmd
}

// families replays files and returns what was learned.
func families(ctx context.Context, t terminal, o app.ReplayOptions) (*review.FamilyReport, error) {
	history := review.NewFamilyHistory()
	bar := newProgress(t.Err, "replaying")
	defer bar.finish()
	o.Learned, o.Output = history.Learned, io.Discard
	o.Progress, o.Notes = bar.report(), bar.beside(t.Err)
	if err := app.Replay(ctx, o); err != nil {
		return nil, err
	}
	report := history.Report()
	if len(report.Tenants) == 0 {
		return nil, errors.New("no families were learned: the events do not reach from one retrain to the next")
	}
	return report, nil
}
