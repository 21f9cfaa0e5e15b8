package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/check"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

const checkLong = `Check validates the configuration, all of it at once, each problem with its
line; then it tries everything that the configuration names: every broker, also
as the cluster advertises it, every topic and the right to read or write it, the
consumer group, every Alertmanager, Loki, the RBAC files and the state
directory. It says of each whether it works, and what to do where it does not.

It changes nothing: no record, alert, line or topic is left behind.

Exit codes: 0 everything works, 2 the configuration is wrong, 3 it is valid, but
something in it does not work.`

func newCheck(t terminal) *cobra.Command {
	var output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration and try everything that it names",
		Long:  checkLong,
		Example: `  logcluster check --config logcluster.yaml
  logcluster check --config logcluster.yaml --output json | jq '.results[] | select(.ok | not)'`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd, true)
	addKafkaFlags(cmd, s)
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Second, "the longest that anything may take")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("output", output, outputTable, outputJSON); err != nil {
			return err
		}
		cfg, err := s.load()
		if err != nil {
			return checkProblems(t.Out, output, err)
		}
		// What the client libraries say on the way is in the results.
		results := check.Run(cmd.Context(), cfg, timeout, slog.New(slog.DiscardHandler))
		return printResults(t.Out, output, results)
	}
	return cmd
}

// checkResult is the JSON of a check. Fields are only ever added.
type checkResult struct {
	SchemaVersion int            `json:"schema_version"`
	OK            bool           `json:"ok"`
	Problems      []string       `json:"problems"`
	Results       []check.Result `json:"results"`
}

// checkProblems prints what is wrong with the file as JSON if that is wanted,
// and returns it for stderr.
func checkProblems(w io.Writer, output string, err error) error {
	var problems config.Problems
	if output != outputJSON || !errors.As(err, &problems) {
		return err
	}
	r := checkResult{SchemaVersion: 1, Results: []check.Result{}}
	for _, p := range problems {
		r.Problems = append(r.Problems, p.String())
	}
	return errors.Join(json.NewEncoder(w).Encode(r), err)
}

func printResults(w io.Writer, output string, results []check.Result) error {
	failed := 0
	for i := range results {
		if !results[i].OK {
			failed++
		}
	}
	if output == outputJSON {
		r := checkResult{SchemaVersion: 1, OK: failed == 0, Problems: []string{}, Results: results}
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return err
		}
	} else {
		printTable(w, results, failed)
	}
	if failed > 0 {
		return errUnreachable
	}
	return nil
}

func printTable(w io.Writer, results []check.Result, failed int) {
	for _, r := range results {
		word, text := "ok  ", r.Detail
		if !r.OK {
			word, text = "FAIL", r.Error
		}
		line := fmt.Sprintf("%s  %s: %s", word, r.Target, r.Step)
		if text != "" {
			line += ": " + text
		}
		fmt.Fprintln(w, line)
		if r.Hint != "" {
			fmt.Fprintln(w, "      "+r.Hint)
		}
	}
	if failed == 0 {
		fmt.Fprintf(w, "everything works (%d checks)\n", len(results))
	} else {
		fmt.Fprintf(w, "%d of %d checks failed\n", failed, len(results))
	}
}
