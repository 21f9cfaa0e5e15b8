package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
)

const runLong = `Run reads audit events from the Kafka topics named in the configuration and
watches them until it is stopped.

Where the data goes: anomalies go to the Loki and every Alertmanager that the
configuration names, to the anomalies topic, and one line each to stdout;
metrics, the ranked list and its JSON are served on web.listen. What has been
learned is kept in state.dir: a restart goes on from there, and reads Kafka from
the offsets that belong to it.

One instance owns a consumer group; a second one is refused.

SIGTERM and SIGINT stop it in order: it stops fetching, finishes what is in
hand, writes its state, and delivers what is queued until a deadline. A second
signal ends it at once.`

func newRun(t terminal, logs *logFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the service",
		Long:  runLong,
		Example: `  logcluster run --config logcluster.yaml
  logcluster run --brokers kafka-0:9092,kafka-1:9092 --topics audit --rbac rbac.yaml
  logcluster run --config logcluster.yaml --log-format json --output none
  logcluster run --config logcluster.yaml --set web.listen=0.0.0.0:8080`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd, true)
	addKafkaFlags(cmd, s)
	s.flag(cmd, "rbac", "roles.files.paths", "`files` or directories of RBAC objects, separated by commas")
	s.flag(cmd, "listen", "web.listen", "`address` of the web page and the metrics")
	s.flag(cmd, "state-dir", "state.dir", "`directory` of the state")
	outputFlag(cmd, &output, "how alerts are written to stdout: table, json or none", outputTable, outputJSON, outputNone)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("output", output, outputTable, outputJSON, outputNone); err != nil {
			return err
		}
		logger, err := logs.logger(t.Err)
		if err != nil {
			return err
		}
		cfg, err := s.load()
		if err != nil {
			return err
		}
		o := app.Options{Config: cfg, Logger: logger, Registry: newRegistry(), Version: versionString()}
		if output != outputNone {
			lines := newAlertLines(t.Out, output, logger)
			defer lines.close()
			o.Changed = lines.changed
		}
		a, err := app.New(o)
		if err != nil {
			return err
		}
		return a.Run(cmd.Context())
	}
	return cmd
}

// addKafkaFlags adds the flags of every command that reads from Kafka.
func addKafkaFlags(cmd *cobra.Command, s *settings) {
	s.flag(cmd, "brokers", "kafka.brokers", "`host:port` of Kafka brokers, separated by commas")
	s.flag(cmd, "topics", "kafka.topics", "`topics` to read, separated by commas")
	s.flag(cmd, "group", "kafka.group", "consumer `group`")
}

// newRegistry returns a registry with what the Go runtime and the process say
// of themselves.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return reg
}
