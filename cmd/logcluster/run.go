package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
)

const runLong = `Run reads audit events from the Kafka topics named in the configuration and
watches them until it is stopped.

Where the data goes: anomalies go to every Loki and Alertmanager that the
configuration names; metrics, the ranked list and its JSON are served on
web.listen. What has been learned is kept in the state directory: a restart
goes on from there, and reads Kafka from the offsets that belong to it. Nothing
is committed to Kafka that is not in that state.

SIGTERM and SIGINT stop it in order: it stops fetching, finishes what is in
hand, writes its state, and delivers what is queued until a deadline.`

func newRun(t terminal, logs *logFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the service",
		Long:  runLong,
		Example: `  logcluster run --config logcluster.yaml
  logcluster run --config logcluster.yaml --brokers kafka-0:9092,kafka-1:9092 --topics audit
  logcluster run --config logcluster.yaml --set web.listen=0.0.0.0:8080`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		logger, err := logs.logger(t.Err)
		if err != nil {
			return err
		}
		cfg, err := s.load()
		if err != nil {
			return err
		}
		a, err := newApp(cfg, logger, newRegistry())
		if err != nil {
			return err
		}
		return a.Run(cmd.Context())
	}
	return cmd
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
