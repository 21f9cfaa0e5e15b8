package main

import "github.com/spf13/cobra"

const demoLong = `Demo is the whole service in one process: an embedded Kafka broker, a recording
of a real Kubernetes cluster that is played into it in compressed time, and the
same stages, web page and metrics as 'logcluster run'. It needs no network, no
configuration and no other program, and keeps nothing when it ends.

The recording holds injected attacks. Within a minute the first of them come
out on top: one line each on stdout, and on the web page whose address is
printed at the start. Ctrl-C ends it.`

func newDemo(t terminal, logs *logFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: embedded broker, bundled recording, compressed time",
		Long:  demoLong,
		Example: `  logcluster demo
  logcluster demo --set web.listen=127.0.0.1:9090`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd, false)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		logger, err := logs.logger(t.Err)
		if err != nil {
			return err
		}
		cfg, err := s.load()
		if err != nil {
			return err
		}
		return demo(cmd.Context(), demoOptions{Config: cfg, Output: t.Out, Logger: logger})
	}
	return cmd
}
