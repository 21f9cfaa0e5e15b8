package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/produce"
)

const produceLong = `Produce publishes recorded audit events to a Kafka topic, in the order and at
the speed they were recorded at, or faster: --speed 60x publishes an hour in a
minute, --speed max does not wait.

Files are what 'logcluster replay' takes: plain text, gzip or zstd, one
audit.k8s.io Event or EventList a line, - for stdin. Each line becomes one
record. Its timestamp is the event time; its key is a hash of the user, so that
what one subject did stays in order (--key none spreads the records evenly).

--rebase now moves all times inside the records such that the last event happens
at the moment it is published. At 1x the recorded time thus begins now; faster,
it begins in the past and has caught up at the end. Nothing is ever ahead of the
clock, which brokers refuse and logcluster rejects. It reads the files twice,
so it can't be used with stdin.

Where the data goes: to the topic, and nowhere else. A summary goes to stdout.
Ctrl-C stops reading; what has been read is still delivered.`

// produceFlags are the flags of produce.
type produceFlags struct {
	topic, speed, key, rebase string
	partitions                int32
}

func newProduce(t terminal, logs *logFlags) *cobra.Command {
	var f produceFlags
	var o produce.Options
	cmd := &cobra.Command{
		Use:   "produce FILE...|-",
		Short: "Publish a recording to a Kafka topic",
		Long:  produceLong,
		Example: `  logcluster produce --brokers localhost:9092 --topic audit audit.jsonl.zst
  logcluster produce --brokers localhost:9092 --topic audit --create-topic --partitions 6 \
    --speed 60x --rebase now audit.jsonl.zst
  logcluster produce --config logcluster.yaml --topic audit --speed max day1.gz day2.gz`,
		Args: cobra.MinimumNArgs(1),
	}
	s := addSettings(cmd, true)
	s.flag(cmd, "brokers", "kafka.brokers", "`host:port` of Kafka brokers, separated by commas")
	flags := cmd.Flags()
	flags.StringVar(&f.topic, "topic", "", "`topic` to write to (default: the first of kafka.topics)")
	flags.StringVar(&f.speed, "speed", "1x", "how many times faster than recorded, such as 60x; or max")
	flags.StringVar(&f.key, "key", "user", "record key: user (a hash of it) or none")
	flags.StringVar(&f.rebase, "rebase", "", "now: move all times such that the last event happens when it is published")
	flags.BoolVar(&o.Create, "create-topic", false, "create the topic if there is none")
	flags.Int32Var(&f.partitions, "partitions", 0, "partitions of a created topic; 0 for the broker's default")
	choices(cmd, "speed", "1x", "10x", "60x", "max")
	choices(cmd, "key", "user", "none")
	choices(cmd, "rebase", "now")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		logger, err := logs.logger(t.Err)
		if err != nil {
			return err
		}
		o.Files, o.Logger = files, logger
		if err := f.apply(&o, s); err != nil {
			return err
		}
		return publish(cmd.Context(), t, o)
	}
	return cmd
}

// apply turns the flags into options.
func (f *produceFlags) apply(o *produce.Options, s *settings) error {
	if err := errors.Join(oneOf("key", f.key, "user", "none"), oneOf("rebase", f.rebase, "", "now")); err != nil {
		return err
	}
	speed, err := produce.ParseSpeed(f.speed)
	if f.rebase != "" && slices.Contains(o.Files, "-") {
		err = errors.Join(err, errors.New("--rebase reads the files twice and can't be used with stdin"))
	}
	if f.partitions < 0 || f.partitions > math.MaxInt16 {
		err = errors.Join(err, fmt.Errorf("--partitions %d is not between 0 and %d", f.partitions, math.MaxInt16))
	}
	if f.partitions > 0 && !o.Create {
		err = errors.Join(err, errors.New("--partitions is for a topic made with --create-topic"))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	cfg, err := s.load("kafka")
	if err != nil {
		return err
	}
	if err := cfg.Kafka.Client.Validate(); err != nil {
		return fmt.Errorf("%w: %w (use --brokers or --config)", errUsage, err)
	}
	if f.topic == "" && len(cfg.Kafka.Topics) > 0 {
		f.topic = cfg.Kafka.Topics[0]
	}
	if f.topic == "" {
		return fmt.Errorf("%w: --topic is missing", errUsage)
	}
	o.Client, o.Topic, o.Partitions = cfg.Kafka.Client, f.topic, f.partitions
	o.Speed, o.NoKey, o.Rebase = speed, f.key == "none", f.rebase == "now"
	return nil
}

// publish runs it with a bar and prints the summary, also of half a job.
func publish(ctx context.Context, t terminal, o produce.Options) error {
	bar := newProgress(t.Err, "publishing")
	o.Progress = bar.report()
	sum, err := produce.Run(ctx, o)
	bar.finish()
	if sum.Records+sum.Failed > 0 || err == nil {
		printSummary(t.Out, o.Topic, &sum)
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: what had been read was delivered")
	}
	return err
}

func printSummary(w io.Writer, topic string, s *produce.Summary) {
	seconds := max(s.Took.Seconds(), 1e-3)
	fmt.Fprintf(w, "published %d records (%.1f MB) to %s in %.1f s: %.0f records/s, %.1f MB/s\n",
		s.Records, float64(s.Bytes)/1e6, topic, s.Took.Seconds(), float64(s.Records)/seconds, float64(s.Bytes)/1e6/seconds)
	if !s.First.IsZero() {
		fmt.Fprintf(w, "event time from %s to %s\n", s.First.UTC().Format(time.RFC3339), s.Last.UTC().Format(time.RFC3339))
	}
	for _, c := range []struct {
		n    int64
		what string
	}{{s.Failed, "not delivered"}, {s.TooLong, "left out: longer than 8 MiB"}, {s.Timeless, "published without an event time"}} {
		if c.n > 0 {
			fmt.Fprintf(w, "%d %s\n", c.n, c.what)
		}
	}
}
