package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logFlags are the flags of every command about its logs.
type logFlags struct {
	format string
	level  string
}

func addLogFlags(root *cobra.Command) *logFlags {
	l := &logFlags{}
	flags := root.PersistentFlags()
	flags.StringVar(&l.format, "log-format", "text", "how logs are written to stderr: text or json")
	flags.StringVar(&l.level, "log-level", "info", "the least important logs to write: debug, info, warn or error")
	choices(root, "log-format", "text", "json")
	choices(root, "log-level", "debug", "info", "warn", "error")
	return l
}

// logger returns the logger that the flags ask for, writing to w.
func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level %q is none of debug, info, warn and error", errUsage, l.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("%w: --log-format %q is neither text nor json", errUsage, l.format)
	}
}

// choices completes the values of a flag in the shell.
func choices(cmd *cobra.Command, flag string, values ...string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag does not exist: a mistake in this package
	}
}
