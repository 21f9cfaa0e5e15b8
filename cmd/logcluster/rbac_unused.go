package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/validation/path"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/ingest/kafka"
)

const rbacUnusedLong = `Unused says of every bound role what it grants that was never used in the
recorded time, what was used of its wildcards, which bindings and subjects used
it, and which requests nothing else would have allowed.

With --suggest it prints manifests only, for 'kubectl apply -f -': for every
role that was used, one that allows what was used and no more. It is never wider
than the original. The names end in --suffix, so that applying them changes
nothing until they are bound; with --suffix '' they take the place of the
originals, but for aggregated ones and Kubernetes' own. Objects are named where
the role names them already; with --name-objects N also where at most N objects
were ever touched, one by one (get, update, patch, delete). What happens more
rarely than the recording is long is not in it: a year's end, a restore, an
incident.

A request counts for every binding that allows it; what only others than RBAC
allow (the node authorizer, a webhook) uses no role. A denied one uses nothing.

--from takes recorded files (plain, gzip or zstd; - for stdin) or, with
--brokers or --config, topics: what is no file is a topic, which is read from
its start to its end as it is now, without a consumer group.`

// rbacUnusedFlags are the flags of rbac unused.
type rbacUnusedFlags struct {
	rbac, from     []string
	output, suffix string
	suggest        bool
	names, rules   int
}

func newRBACUnused(t terminal, logs *logFlags) *cobra.Command {
	var f rbacUnusedFlags
	cmd := &cobra.Command{
		Use:   "unused --rbac FILE|DIR --from FILE|TOPIC|-",
		Short: "List what is granted and was never used, and what would do",
		Long:  rbacUnusedLong,
		Example: `  logcluster rbac unused --rbac rbac.yaml --from audit.jsonl.zst
  logcluster rbac unused --rbac rbac.yaml --from day1.gz --from day2.gz --suggest > least.yaml
  logcluster rbac unused --rbac rbac.yaml --from audit --brokers localhost:9092
  logcluster rbac unused --rbac rbac.yaml --from audit.gz -o json | jq '.roles[] | select(.events == 0) | .role'`,
		Args: cobra.NoArgs,
	}
	rbacFlag(cmd, &f.rbac)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.from, "from", nil, "recorded `file` or Kafka topic of audit events; repeatable")
	must(cmd.MarkFlagRequired("from"))
	outputFlag(cmd, &f.output, "how the result is written: table or json", outputTable, outputJSON)
	flags.BoolVar(&f.suggest, "suggest", false, "print manifests of what was used, and nothing else")
	flags.StringVar(&f.suffix, "suffix", "-least", "what the names of suggested roles end in")
	cmd.MarkFlagsMutuallyExclusive("suggest", "output")
	flags.IntVar(&f.names, "name-objects", 0, "name objects where at most this many were touched one by one")
	flags.IntVar(&f.rules, "rules", 8, "how many rules of a kind a table lists for a role")
	s := addSettings(cmd, true)
	s.flag(cmd, "brokers", "kafka.brokers", "`host:port` of Kafka brokers, separated by commas")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.validate(); err != nil {
			return err
		}
		cfg, err := s.load("kafka", "topics")
		if err != nil {
			return err
		}
		report, err := f.observe(cmd.Context(), t, logs, cfg)
		if err != nil {
			return err
		}
		return ignoreClosedPipe(f.write(t, report))
	}
	return cmd
}

// validate reports what is wrong with the flags.
func (f *rbacUnusedFlags) validate() error {
	err := errors.Join(oneOf("output", f.output, outputTable, outputJSON), onlyStdin(f.from))
	if f.names < 0 || f.names > maxNameObjects {
		err = errors.Join(err, fmt.Errorf("%w: --name-objects %d is not between 0 and %d", errUsage, f.names, maxNameObjects))
	}
	if wrong := path.IsValidPathSegmentPrefix(f.suffix); len(wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("%w: --suffix %q %s", errUsage, f.suffix, strings.Join(wrong, ", ")))
	}
	if f.rules < 0 {
		err = errors.Join(err, fmt.Errorf("%w: --rules %d is negative", errUsage, f.rules))
	}
	return err
}

// maxNameObjects is how many objects a rule may name: more are no longer a few.
const maxNameObjects = 100

// observe reads the objects and all events.
func (f *rbacUnusedFlags) observe(ctx context.Context, t terminal, logs *logFlags, cfg *app.Config) (*review.UsageReport, error) {
	objects, err := loadObjects(t.Err, f.rbac)
	if err != nil {
		return nil, err
	}
	usage, err := review.NewUsage(objects, f.names)
	if err != nil {
		return nil, err
	}
	r := review.NewReader(cfg.Ingest, usage.Add)
	bar := newProgress(t.Err, "reading")
	defer bar.finish()
	for _, from := range f.from {
		switch {
		case isFile(from):
			err = r.File(ctx, from, bar.report())
		case len(cfg.Kafka.Client.Brokers) > 0:
			err = readTopic(ctx, t, logs, &cfg.Kafka, from, r, bar)
		default:
			err = fmt.Errorf("read %s: no such file, and for a topic no --brokers or --config", from)
		}
		if err != nil {
			return nil, err
		}
	}
	return usage.Report(r.Span()), nil
}

// isFile reports whether a source is a recording: what is none is a topic.
func isFile(name string) bool {
	if name == "-" {
		return true
	}
	_, err := os.Stat(name)
	return err == nil
}

// readTopic reads what a topic holds now.
func readTopic(ctx context.Context, t terminal, logs *logFlags, cfg *kafka.Config, topic string, r *review.Reader, bar *progress) error {
	logger, err := logs.logger(t.Err)
	if err != nil {
		return err
	}
	o := kafka.ReadOptions{Progress: bar.report(), Logger: logger}
	read, err := kafka.ReadTopic(ctx, cfg, topic, o, func(_ int32, record kafka.Record) error {
		r.Record(record.Value)
		return nil
	})
	if err == nil && read.Poison > 0 {
		fmt.Fprintf(t.Err, "%d offsets of %s could not be unpacked and are left out\n", read.Poison, topic)
	}
	return err
}

func (f *rbacUnusedFlags) write(t terminal, r *review.UsageReport) error {
	noteSpan(t.Err, &r.Observed)
	switch {
	case r.Observed.Events == 0:
		return errors.New("nothing was observed: no event was read")
	case f.suggest:
		return r.WriteManifests(t.Out, f.suffix)
	case f.output == outputJSON:
		return writeJSON(t.Out, r)
	}
	return r.WriteText(t.Out, f.rules)
}
