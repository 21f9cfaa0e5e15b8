package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

const rbacExplainLong = `Explain says which bindings and rules allow a request of a user, and under which
role set, with which power and why, logcluster counts it. Without --verb it
lists everything that the user may do, binding by binding: everywhere, or
cluster-wide and in one namespace with --namespace.

A user is named as in the audit log; a service account is
system:serviceaccount:NAMESPACE:NAME. Groups come from whoever authenticates and
stand in no RBAC object: give them with --group. Those that follow from the name
(system:authenticated, system:serviceaccounts…) are added.

The role set has all roles bound in the scope of the request, whether or not
they allow it, without those that everybody has. Its family, the roles that are
alike and do alike, is learned from a recording with --from, or asked of a
running logcluster with --server.

What else than RBAC decides is not known here: the node authorizer, webhooks,
and the group system:masters, which may do everything.

Exit codes, as of 'kubectl auth can-i': 0 yes (or nothing was asked), 1 no (or
the command failed), 2 the command line is wrong.`

// rbacExplainFlags are the flags of rbac explain.
type rbacExplainFlags struct {
	subject, output          string
	rbac, groups, from       []string
	verb, resource, apiGroup string
	namespace, name, path    string
	server, tenant           string
}

func newRBACExplain(t terminal, logs *logFlags) *cobra.Command {
	var f rbacExplainFlags
	cmd := &cobra.Command{
		Use:   "explain USER --rbac FILE|DIR [--verb VERB --resource RESOURCE]",
		Short: "Say which bindings and rules allow a request, or all that a user may do",
		Long:  rbacExplainLong,
		Example: `  logcluster rbac explain --rbac rbac.yaml jane@example.org
  logcluster rbac explain --rbac rbac.yaml jane@example.org --group oidc:sre \
    --verb create --resource pods/exec --namespace shop
  logcluster rbac explain --rbac rbac.yaml system:serviceaccount:shop:web --verb get \
    --resource deployments.apps --namespace shop --name cart
  logcluster rbac explain --rbac rbac.yaml jane@example.org --verb get --path /metrics`,
		Args: cobra.ExactArgs(1),
	}
	rbacFlag(cmd, &f.rbac)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.groups, "group", nil, "`group` that the user is in; repeatable")
	flags.StringVar(&f.verb, "verb", "", "`verb` of the request: get, list, create, …")
	flags.StringVar(&f.resource, "resource", "", "`resource[/subresource][.group]`, such as pods/exec or deployments.apps; without a group, of the core group")
	flags.StringVar(&f.apiGroup, "api-group", "", "API `group` of the resource, if not given with it")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`namespace` of the request (default: the whole cluster)")
	flags.StringVar(&f.name, "name", "", "`name` of the object")
	flags.StringVar(&f.path, "path", "", "URL `path` of a request that is not about a resource")
	flags.StringArrayVar(&f.from, "from", nil, "recorded `file` of audit events, to learn the role family from; repeatable")
	flags.StringVar(&f.server, "server", "", "`URL` of a running logcluster, to look up the role family")
	flags.StringVar(&f.tenant, "tenant", "", "`tenant` to look up the family in (default: the first that knows it)")
	outputFlag(cmd, &f.output, "how the result is written: table or json", outputTable, outputJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(oneOf("output", f.output, outputTable, outputJSON), onlyStdin(f.from)); err != nil {
			return err
		}
		f.subject = args[0]
		r, err := f.request()
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		return f.explain(cmd.Context(), t, logs, r)
	}
	return cmd
}

// request returns what is asked; without a verb it is the subject alone.
func (f *rbacExplainFlags) request() (*rbac.Request, error) {
	resource, sub, group := rbac.ParseResource(f.resource)
	r := &rbac.Request{
		User: f.subject, Groups: f.groups, Verb: f.verb, APIGroup: group, Resource: resource, Subresource: sub,
		Namespace: f.namespace, Object: f.name, Path: f.path,
	}
	var errs []error
	if f.server != "" && len(f.from) > 0 {
		errs = append(errs, errors.New("a family comes --from a recording or from a --server, not both"))
	}
	if f.subject == "" {
		errs = append(errs, errors.New("the user has no name"))
	}
	switch {
	case group != "" && f.apiGroup != "" && group != f.apiGroup:
		errs = append(errs, fmt.Errorf("--resource names the group %s and --api-group %s", group, f.apiGroup))
	case f.apiGroup != "":
		r.APIGroup = f.apiGroup
	}
	switch {
	case f.verb == "" && (f.resource != "" || f.path != "" || f.name != "" || f.apiGroup != ""):
		errs = append(errs, errors.New("a request needs a --verb"))
	case f.verb != "" && (resource == "") == (f.path == ""):
		errs = append(errs, errors.New("a --verb needs either a --resource or a --path"))
	case f.path != "" && (f.namespace != "" || f.name != "" || !strings.HasPrefix(f.path, "/")):
		errs = append(errs, errors.New("--path begins with / and goes without --namespace and --name"))
	}
	return r, errors.Join(errs...)
}

// explain answers and prints.
func (f *rbacExplainFlags) explain(ctx context.Context, t terminal, logs *logFlags, r *rbac.Request) error {
	p, err := loadPolicy(t.Err, f.rbac)
	if err != nil {
		return err
	}
	e := review.Explain(p, r)
	switch {
	case f.server != "":
		e.Family, err = f.askFamily(ctx, e.Role)
	case len(f.from) > 0:
		e.Family, err = f.learnFamily(ctx, t, logs, e.Role)
	}
	if err != nil {
		return err
	}
	if f.output == outputJSON {
		err = writeJSON(t.Out, web.ExplainAnswer{
			Head: web.Head{SchemaVersion: review.SchemaVersion, GeneratedAt: time.Now().UTC()}, Explanation: e,
		})
	} else {
		err = review.WriteExplanation(t.Out, &e, r)
	}
	if err == nil && e.Allowed != nil && !*e.Allowed {
		return errNo
	}
	return ignoreClosedPipe(err)
}

// familyTimeout is how long a running logcluster may take to answer.
const familyTimeout = 10 * time.Second

// learnFamily replays a recording for the family of a role set.
func (f *rbacExplainFlags) learnFamily(ctx context.Context, t terminal, logs *logFlags, role string) (*web.FamilyRef, error) {
	logger, err := logs.logger(t.Err)
	if err != nil {
		return nil, err
	}
	cfg := app.DefaultConfig()
	cfg.Roles.Policy.Files.Paths = f.rbac
	report, err := families(ctx, t, app.ReplayOptions{Config: &cfg, Files: f.from, Tenant: f.tenant, Logger: logger})
	if err != nil {
		return nil, err
	}
	return report.Of(role), nil
}

// askFamily asks a running logcluster for the family of a role set.
func (f *rbacExplainFlags) askFamily(ctx context.Context, role string) (*web.FamilyRef, error) {
	base, err := url.Parse(f.server)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: --server %q is no URL, such as http://localhost:8080", errUsage, f.server)
	}
	ctx, cancel := context.WithTimeout(ctx, familyTimeout)
	defer cancel()
	return review.Family(ctx, base, f.tenant, role)
}
