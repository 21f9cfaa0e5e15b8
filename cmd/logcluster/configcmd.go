package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/config"
	deploy "github.com/logcluster/logcluster/deploy/config"
)

const configLong = `Config explains the configuration: one YAML file, in which an unknown field, a
wrong type or a value that makes no sense is an error with its line.

Every field can be set on the command line too: --set path.to.field=value, over
the file. Secrets are best kept out of it: a field that is called file or env,
or ends so, names a file or an environment variable that holds one. A password
or a header that does stand in the file is masked wherever it is shown.`

func newConfig(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Explain the configuration: reference, example, effective values",
		Long:  configLong,
		Example: `  logcluster config example > logcluster.yaml
  logcluster config reference | less
  logcluster config show --config logcluster.yaml --set web.listen=:8080`,
		Args: cobra.NoArgs,
		RunE: onlyHelp, DisableFlagsInUseLine: true,
	}
	printer := func(use, short, text string) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := fmt.Fprint(t.Out, text)
				return err
			},
		}
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the effective configuration, secrets masked",
		Args:  cobra.NoArgs,
	}
	s := addSettings(show, true)
	show.RunE = func(*cobra.Command, []string) error {
		cfg, err := s.load()
		if err != nil {
			return err
		}
		b, err := config.Marshal(cfg)
		if err != nil {
			return err
		}
		_, err = t.Out.Write(b)
		return err
	}
	cmd.AddCommand(
		printer("reference", "Print every field with its type, default and meaning (Markdown)", deploy.Reference),
		printer("example", "Print a commented configuration to start from (YAML)", deploy.Example),
		show,
	)
	return cmd
}
