package main

import "github.com/spf13/cobra"

func newCheck(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration and try everything that it names",
		Args:  cobra.NoArgs,
	}
	s := addSettings(cmd, true)
	cmd.RunE = func(*cobra.Command, []string) error {
		_, err := s.load()
		return err
	}
	return cmd
}
