package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

// settings are the flags that fill the configuration: a file, --set, and short
// flags for the fields that are changed most often.
type settings struct {
	file  string
	set   []string
	short []*shortFlag
}

// shortFlag is a flag that stands for one field of the configuration.
type shortFlag struct {
	path  string
	flag  *pflag.Flag
	value string
}

// addSettings adds --set and, if withFile, --config.
func addSettings(cmd *cobra.Command, withFile bool) *settings {
	s := &settings{}
	flags := cmd.Flags()
	if withFile {
		flags.StringVarP(&s.file, "config", "c", "", "configuration `file` (YAML); without it the defaults hold")
		must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	}
	flags.StringArrayVar(&s.set, "set", nil, "`path.to.field=value` over the configuration file; repeatable")
	must(cmd.RegisterFlagCompletionFunc("set", completePaths))
	return s
}

// flag adds a short flag for the field at path.
func (s *settings) flag(cmd *cobra.Command, name, path, usage string) {
	f := &shortFlag{path: path}
	usage += " (" + path + ")"
	cmd.Flags().StringVar(&f.value, name, "", usage)
	f.flag = cmd.Flags().Lookup(name)
	s.short = append(s.short, f)
}

// load returns the configuration: defaults, then the file, then the short
// flags, then --set. Sections that the command has no use for need not be
// complete.
func (s *settings) load(unused ...string) (*app.Config, error) {
	src := config.Source{Set: s.given(), Unused: unused}
	cfg := app.DefaultConfig()
	if err := config.LoadFile(s.file, src, &cfg); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// given are the settings of the command line.
func (s *settings) given() []string {
	var set []string
	for _, f := range s.short {
		if f.flag.Changed {
			set = append(set, f.path+"="+f.value)
		}
	}
	return append(set, s.set...)
}

// completePaths completes --set with the fields of the configuration.
func completePaths(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var out []string
	cfg := app.DefaultConfig()
	for _, f := range config.Fields(&cfg) {
		if !f.Section && strings.HasPrefix(f.Path, prefix) {
			out = append(out, f.Path+"=")
		}
	}
	return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("command line: %v", err)) // a mistake in this package
	}
}
