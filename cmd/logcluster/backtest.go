package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/ingest/kafka"
)

const backtestLong = `Backtest says what two configurations would have alerted on the same events,
side by side: alerts a day, which alerts both raise, and which only the one or
only the other. With --labels also recall, precision, false alerts a day and the
time to detect of each.

Events come from recorded files (plain, gzip or zstd; - for stdin) or from a
topic: --topic, between --from and --to, each an offset, which holds for every
partition, or a time. The topic is read from the Kafka of the first
configuration without a consumer group, beside whatever consumes it.

Everything that the score depends on may differ: windows, baselines, alerts.
Where roles or the reading of records differ too, records are decoded twice. Two
alerts are the same when they have a cluster in common and lasted at the same
time.

The result goes to stdout, a summary to stderr, nothing anywhere else.`

func newBacktest(t terminal, logs *logFlags) *cobra.Command {
	o := app.BacktestOptions{}
	var configs, set, rbac []string
	var output, from, to string
	cmd := &cobra.Command{
		Use:   "backtest --config A --config B FILE...|-",
		Short: "Compare what two configurations would have alerted",
		Long:  backtestLong,
		Example: `  logcluster backtest --config now.yaml --config next.yaml audit.jsonl.zst
  logcluster backtest --config now.yaml --config next.yaml --rbac rbac.yaml --labels labels.json day*.gz
  logcluster backtest --config now.yaml --config next.yaml --topic audit --from 2026-11-20T00:00:00Z
  logcluster backtest --config now.yaml --config next.yaml -o json audit.gz | jq .only_b`,
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&configs, "config", "c", nil, "configuration `file` (YAML); given twice, A and B")
	must(cmd.MarkFlagRequired("config"))
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	flags.StringArrayVar(&set, "set", nil, "`path.to.field=value` over both configurations; repeatable")
	must(cmd.RegisterFlagCompletionFunc("set", completePaths))
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	flags.StringArrayVar(&rbac, "rbac", nil, "`file or directory` of RBAC objects (YAML or JSON) for both; repeatable")
	flags.StringVar(&o.Labels, "labels", "", "`file` of labelled incidents (JSON) to judge both by")
	flags.StringVar(&o.Verdicts, "verdicts", "", "journal (`file`) of a run, whose verdicts hold for both")
	flags.StringVar(&o.Tenant, "tenant", "", `tenant of all events of files (default "default")`)
	flags.StringVar(&o.Topic, "topic", "", "`topic` to read instead of files")
	flags.StringVar(&from, "from", "", "`offset or time` (2026-11-20T00:00:00Z) to read the topic from")
	flags.StringVar(&to, "to", "", "`offset or time` to read the topic to, not included")
	cmd.RunE = func(cmd *cobra.Command, files []string) (err error) {
		err = errors.Join(oneOf("output", output, outputTable, outputJSON), onlyStdin(files), backtestInput(configs, files, &o, from, to))
		if err != nil {
			return err
		}
		if o.Logger, err = logs.logger(t.Err); err != nil {
			return err
		}
		for i, name := range configs {
			s := &settings{file: name, set: set}
			var unused []string
			if o.Topic == "" || i > 0 {
				unused = []string{"kafka", "topics"}
			}
			if o.Configs[i], err = s.load(unused...); err != nil {
				return err
			}
			if len(rbac) > 0 {
				o.Configs[i].Roles.Policy.Files.Paths = rbac
			}
			o.Names[i] = name
		}
		bar := newProgress(t.Err, "comparing")
		defer bar.finish()
		o.Files, o.JSON = files, output == outputJSON
		o.Progress, o.Output, o.Notes = bar.report(), bar.beside(t.Out), bar.beside(t.Err)
		return ignoreClosedPipe(app.Backtest(cmd.Context(), o))
	}
	return cmd
}

// backtestInput looks whether there are two configurations and one input, and reads
// its bounds.
func backtestInput(configs, files []string, o *app.BacktestOptions, from, to string) error {
	var errs []error
	if len(configs) != 2 {
		errs = append(errs, fmt.Errorf("%w: --config is given %d times, not twice", errUsage, len(configs)))
	}
	switch {
	case o.Topic == "" && len(files) == 0:
		errs = append(errs, fmt.Errorf("%w: files or --topic are needed", errUsage))
	case o.Topic != "" && len(files) > 0:
		errs = append(errs, fmt.Errorf("%w: files and --topic are one too many", errUsage))
	case o.Topic == "" && from+to != "":
		errs = append(errs, fmt.Errorf("%w: --from and --to are of a --topic", errUsage))
	}
	for _, b := range []struct {
		flag, text string
		to         *kafka.Bound
	}{{"from", from, &o.From}, {"to", to, &o.To}} {
		var err error
		if *b.to, err = kafka.ParseBound(b.text); err != nil {
			errs = append(errs, fmt.Errorf("%w: --%s: %w", errUsage, b.flag, err))
		}
	}
	return errors.Join(errs...)
}
