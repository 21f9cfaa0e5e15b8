package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

// The exit codes, as the help text of the root command explains them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// terminal is where the program reads and writes.
type terminal struct {
	In  io.Reader
	Out io.Writer // results
	Err io.Writer // logs, progress and errors
}

// errUsage marks an error that is the fault of the command line.
var errUsage = errors.New("wrong usage")

// errUnreachable is the outcome of a check that found something that does not
// work. What it is has been printed already.
var errUnreachable = errors.New("something in the configuration does not work")

// execute runs the program with the arguments and returns its exit code.
// SIGINT and SIGTERM cancel the context of the command; a second one ends the
// process at once.
func execute(t terminal, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	started := false
	root := newRoot(t)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		// Cobra looks for missing flags only after this hook, and its complaint
		// would pass for a failure of a command that has started.
		err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
		started = err == nil
		return err
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(err, started)
	report(t.Err, cmd, err, code, started)
	return code
}

// exitCode maps what a command returned. An error before the command started
// came from parsing the command line.
func exitCode(err error, started bool) int {
	var problems config.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnreachable):
		return exitUnreachable
	case !started, errors.Is(err, errUsage), errors.As(err, &problems):
		return exitUsage
	default:
		return exitFailure
	}
}

// report prints the error once, at the place where it ends.
func report(w io.Writer, cmd *cobra.Command, err error, code int, started bool) {
	if err == nil || code == exitUnreachable || errors.Is(err, errNo) {
		return
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(w, p)
		}
		return
	}
	fmt.Fprintln(w, "Error:", err)
	if !started {
		fmt.Fprintf(w, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
}

const rootLong = `logcluster reads structured access logs (Kubernetes audit events) from Kafka,
groups them by tenant, role, resource and power of the access, and compares
every group with its own past. The few groups that are not as usual are ranked
and sent, with reasons and evidence, to Loki, Alertmanager and Prometheus, and
shown on the terminal and on a web page.

Start with 'logcluster demo': it needs nothing but this binary.

Results are written to stdout; logs, progress and errors to stderr.`

const rootExit = `
Exit codes:
  0  success
  1  the command failed while it ran
  2  the command line or the configuration is wrong
  3  check: the configuration is valid, but something in it does not work
`

// onlyHelp is run by a command that has subcommands alone: without a name it
// prints its help, and a wrong name is an error, which cobra makes of it only
// for a command that runs.
func onlyHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           "logcluster",
		Short:         "Find what is unusual in a stream of access logs",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Example: `  logcluster demo
  logcluster replay --rbac rbac.yaml audit.jsonl.zst
  logcluster check --config logcluster.yaml
  logcluster run --config logcluster.yaml`,
	}
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	root.SetUsageTemplate(root.UsageTemplate() + rootExit)
	logs := addLogFlags(root)
	root.AddCommand(
		newRun(t, logs), newDemo(t, logs), newReplay(t, logs), newProduce(t, logs), newScore(t),
		newBacktest(t, logs), newVerdict(t), newSuppress(t), newRBAC(t, logs), newCheck(t), newConfig(t), newVersion(t),
	)
	return root
}
