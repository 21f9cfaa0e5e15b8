package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

const rbacRiskyLong = `Risky lists roles by how far they reach, with the reason: the capabilities that
the Kubernetes documentation names as risks of privilege escalation (RBAC Good
Practices), and who holds them by which binding. A role that nobody holds is
marked as unbound. Classes, from the least to the most powerful:

  none      may do nothing
  read      get, list, watch
  write     create, update, patch or delete something ordinary
  elevated  read secrets, run workloads, connect to pods, change namespaces
  escalate  can become more powerful: mint tokens, approve certificates, write
            admission or RBAC, bind, escalate, impersonate, reach nodes; or */*
            in a namespace
  admin     */* in the whole cluster

A ClusterRole that only RoleBindings give to somebody is judged as what it is in
one namespace. The table names three subjects a role; --output json all.`

func newRBACRisky(t terminal) *cobra.Command {
	var paths []string
	var output, least string
	cmd := &cobra.Command{
		Use:   "risky --rbac FILE|DIR",
		Short: "List roles by power, with the reason and who holds them",
		Long:  rbacRiskyLong,
		Example: `  logcluster rbac risky --rbac rbac.yaml
  logcluster rbac risky --rbac rbac.yaml --min-class escalate
  logcluster rbac risky --rbac rbac.yaml -o json | jq '.roles[] | select(.bound | not) | .role'`,
		Args: cobra.NoArgs,
	}
	rbacFlag(cmd, &paths)
	outputFlag(cmd, &output, "how the result is written: table or json", outputTable, outputJSON)
	classes := []string{"none", "read", "write", "elevated", "escalate", "admin"}
	cmd.Flags().StringVar(&least, "min-class", "elevated", "the least `class` that is listed")
	choices(cmd, "min-class", classes...)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := oneOf("output", output, outputTable, outputJSON); err != nil {
			return err
		}
		if err := oneOf("min-class", least, classes...); err != nil {
			return err
		}
		class, err := rbac.ParseClass(least)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		p, err := loadPolicy(t.Err, paths)
		if err != nil {
			return err
		}
		report := review.Risky(p, class)
		if output == outputJSON {
			return ignoreClosedPipe(writeJSON(t.Out, report))
		}
		return ignoreClosedPipe(report.WriteText(t.Out))
	}
	return cmd
}
