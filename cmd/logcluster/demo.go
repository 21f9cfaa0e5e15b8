package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/produce"
)

const demoLong = `Demo is the whole service in one process: an embedded Kafka broker, 23 hours of
a real Kubernetes audit log that are played into it in compressed time, and the
same stages, web page and metrics as 'logcluster run'. It needs no network, no
configuration and no other program, and keeps nothing when it ends.

The recording holds injected attacks. The first 12 hours are for learning what
is usual; then the attacks come out on top: one line for each change of an alert
on stdout, and the ranked list on the web page whose address is printed at the
start. Ctrl-C ends it.

Its alerts are recorded, not real. To see them arrive in a Loki or Alertmanager
of yours, name it with --set and say --live-sinks; without that it is refused.
In Loki each run has a label "run" of its own.`

func newDemo(t terminal, logs *logFlags) *cobra.Command {
	var speed string
	var once, live bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: embedded broker, bundled recording, compressed time",
		Long:  demoLong,
		Example: `  logcluster demo
  logcluster demo --speed max --once
  logcluster demo --listen 127.0.0.1:0
  logcluster demo --live-sinks --set alert.loki.url=http://127.0.0.1:3100`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd, false)
	s.flag(cmd, "listen", "web.listen", "`address` of the web page and the metrics; port 0 takes a free one")
	cmd.Flags().StringVar(&speed, "speed", "1800x", "how many times faster than recorded: 1800x is half an hour a second; or max")
	cmd.Flags().BoolVar(&once, "once", false, "end when the recording has been played")
	cmd.Flags().BoolVar(&live, "live-sinks", false, "write the recorded alerts to the Loki and Alertmanagers named with --set")
	choices(cmd, "speed", "600x", "1800x", "max")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o := app.DemoOptions{
			Output: t.Out, Style: styleOf(t.Out), Registry: newRegistry(), Version: versionString(),
			Once: once, LiveSinks: live,
		}
		var err error
		if o.Speed, err = produce.ParseSpeed(speed); err != nil {
			return fmt.Errorf("%w: --speed: %w", errUsage, err)
		}
		if !cmd.Flags().Changed("log-level") {
			logs.level = "warn" // the alerts are what is to be seen
		}
		if o.Logger, err = logs.logger(t.Err); err != nil {
			return err
		}
		if o.Config, err = s.load("kafka"); err != nil {
			return err
		}
		return app.Demo(cmd.Context(), o)
	}
	return cmd
}
