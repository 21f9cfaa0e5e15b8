package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

const rbacLong = `Rbac answers the questions of an access review from RBAC objects and recorded
audit events: who may do what and why, which roles reach far, what is granted
and was never used, whether a snapshot is still what the API server decides by,
and which roles are alike.

The objects are files or directories of manifests, as this prints them:

  kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml

Nothing is sent anywhere and no cluster is changed: results go to stdout.`

// errNo is the outcome of a command whose answer is no. It has been printed
// already.
var errNo = errors.New("the answer is no")

func newRBAC(t terminal, logs *logFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Review who may do what: explain, risky, unused, verify, families",
		Long:  rbacLong,
		Example: `  kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml > rbac.yaml
  logcluster rbac explain --rbac rbac.yaml jane@example.org --verb get --resource secrets
  logcluster rbac risky --rbac rbac.yaml
  logcluster rbac unused --rbac rbac.yaml --from audit.jsonl.zst --suggest
  logcluster rbac verify --rbac rbac.yaml audit.jsonl.zst
  logcluster rbac families --rbac rbac.yaml audit.jsonl.zst`,
		Args: cobra.NoArgs,
		RunE: onlyHelp, DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(
		newRBACExplain(t, logs), newRBACRisky(t), newRBACUnused(t, logs), newRBACVerify(t), newRBACFamilies(t, logs),
	)
	return cmd
}

// rbacFlag adds --rbac, which the command can't do without.
func rbacFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "rbac", nil, "`file or directory` of RBAC objects (YAML or JSON); repeatable")
	must(cmd.MarkFlagRequired("rbac"))
	must(cmd.MarkFlagFilename("rbac", "yaml", "yml", "json"))
}

// loadObjects reads RBAC objects and says what it skipped.
func loadObjects(notes io.Writer, paths []string) (rbac.Objects, error) {
	loaded, err := policy.LoadFiles(paths...)
	if err != nil {
		return rbac.Objects{}, err
	}
	skipped := 0
	for _, n := range loaded.Skipped {
		skipped += n
	}
	if skipped > 0 {
		fmt.Fprintf(notes, "%d objects that are not RBAC were skipped\n", skipped)
	}
	if loaded.Objects.Len() == 0 {
		return rbac.Objects{}, fmt.Errorf("load RBAC manifests: no RBAC object in %d files", loaded.Files)
	}
	return loaded.Objects, nil
}

// loadPolicy reads RBAC objects and makes a policy of them.
func loadPolicy(notes io.Writer, paths []string) (*rbac.Policy, error) {
	objects, err := loadObjects(notes, paths)
	if err != nil {
		return nil, err
	}
	p, err := rbac.New(objects)
	if err != nil {
		return nil, fmt.Errorf("read role policy: %w", err)
	}
	return p, nil
}

// readFiles reads recorded events with a bar.
func readFiles(ctx context.Context, t terminal, r *review.Reader, files []string) error {
	bar := newProgress(t.Err, "reading")
	defer bar.finish()
	for _, name := range files {
		if err := r.File(ctx, name, bar.report()); err != nil {
			return err
		}
	}
	return nil
}

// onlyStdin checks that standard input is read alone: it is one stream.
func onlyStdin(files []string) error {
	if slices.Contains(files, "-") && len(files) > 1 {
		return fmt.Errorf("%w: - (stdin) stands alone", errUsage)
	}
	return nil
}

// noteSpan says what was read.
func noteSpan(w io.Writer, s *review.Span) {
	if s.Events == 0 {
		fmt.Fprintf(w, "no event was read (%d records rejected, %d filtered)\n", s.Rejected, s.Filtered)
		return
	}
	fmt.Fprintf(w, "%d events from %s to %s (%d records rejected, %d filtered)\n",
		s.Events, s.From.Format("2006-01-02 15:04:05"), s.To.Format("2006-01-02 15:04:05"), s.Rejected, s.Filtered)
}

// writeJSON writes a report as one JSON document for people and programs.
func writeJSON(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
