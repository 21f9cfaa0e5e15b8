package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

const rbacVerifyLong = `Verify holds RBAC objects against what the API server itself wrote into its
audit log: the binding by which it allowed a request, and what it refused. It
tells whether a snapshot of the objects is still the truth, and so whether the
roles that logcluster groups by are.

  annotated           allowed by RBAC, with the binding in the annotation
  agreed              that binding is one of those that allow it by the objects
  unknown_binding     the objects do not hold that binding
  not_allowing        they do, but it does not allow the request
  denied              refused (decision forbid; 403 alone is not that)
  denied_but_allowed  refused, though the objects allow it

What disagrees is explained when the log itself tells of a write to the binding
or the role before, or when the snapshot of the end (--rbac-end) says the same
as the log. Writes that carry the objects (audit level RequestResponse) change
the objects from their time on. The rest is unexplained, and listed first.

Then it compares, on the same events, into how many groups they fall when keyed
by all bound roles (what logcluster does), by the roles that allow, by the
annotation alone, and by the user name.

Exit codes: 0 nothing is unexplained, 1 something is (or the command failed), 2
the command line is wrong. --tolerate allows some, for an audit log and a
snapshot that can't be taken at the same moment.`

// rbacVerifyFlags are the flags of rbac verify.
type rbacVerifyFlags struct {
	rbac, end []string
	output    string
	list      int
	tolerate  uint64
}

func newRBACVerify(t terminal) *cobra.Command {
	var f rbacVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify --rbac FILE|DIR AUDIT...|-",
		Short: "Compare RBAC objects with what the API server decided",
		Long:  rbacVerifyLong,
		Example: `  logcluster rbac verify --rbac rbac.yaml audit.jsonl.zst
  logcluster rbac verify --rbac monday.yaml --rbac-end friday.yaml audit-*.log.gz
  logcluster rbac verify --rbac rbac/ --output json - < audit.log | jq .unexplained`,
		Args: cobra.MinimumNArgs(1),
	}
	rbacFlag(cmd, &f.rbac)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.end, "rbac-end", nil, "`file or directory` of RBAC objects as they were at the end; repeatable")
	outputFlag(cmd, &f.output, "how the result is written: table or json", outputTable, outputJSON)
	flags.IntVar(&f.list, "list", 20, "how many disagreements a table lists")
	flags.Uint64Var(&f.tolerate, "tolerate", 0, "how many unexplained events are no failure")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if err := oneOf("output", f.output, outputTable, outputJSON); err != nil {
			return err
		}
		if err := onlyStdin(files); err != nil {
			return err
		}
		if f.list < 0 {
			return fmt.Errorf("%w: --list %d is negative", errUsage, f.list)
		}
		report, err := f.verify(cmd.Context(), t, files)
		if err != nil {
			return err
		}
		return ignoreClosedPipe(f.write(t, report))
	}
	return cmd
}

// verify reads the objects, then the events.
func (f *rbacVerifyFlags) verify(ctx context.Context, t terminal, files []string) (*review.VerifyReport, error) {
	start, err := loadObjects(t.Err, f.rbac)
	if err != nil {
		return nil, err
	}
	var end *rbac.Objects
	if len(f.end) > 0 {
		objects, err := loadObjects(t.Err, f.end)
		if err != nil {
			return nil, err
		}
		end = &objects
	}
	v, err := review.NewVerifier(start, end)
	if err != nil {
		return nil, err
	}
	var broken error
	r := review.NewReader(ingest.DefaultConfig(), func(e *fingerprint.Event) {
		if err := v.Add(e); err != nil && broken == nil {
			broken = err
		}
	})
	if err := readFiles(ctx, t, r, files); err != nil {
		return nil, err
	}
	if broken != nil {
		fmt.Fprintf(t.Err, "a change in the log was left out: %v\n", broken)
	}
	return v.Report(r.Span()), nil
}

func (f *rbacVerifyFlags) write(t terminal, r *review.VerifyReport) error {
	noteSpan(t.Err, &r.Observed)
	var err error
	if f.output == outputJSON {
		err = writeJSON(t.Out, r)
	} else {
		err = r.WriteText(t.Out, f.list)
	}
	switch {
	case err != nil:
		return err
	case r.Annotated+r.Denied == 0:
		return errors.New("nothing to compare: no event says what RBAC decided")
	case r.Unexplained > f.tolerate:
		return errNo
	}
	return nil
}
