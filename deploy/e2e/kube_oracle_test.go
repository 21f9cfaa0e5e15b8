//go:build kube

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// reviews is how many questions the authorizer is asked about each state of the
// random cluster.
const reviews = 3000

// TestKubeReviews holds the resolver against the real authorizer: about a random
// cluster, and about what has become of it after many changes, both answer the
// same, and the binding that the authorizer names is one of those that allow by
// the resolver.
func TestKubeReviews(t *testing.T) {
	k := theKube(t)
	w := newWorld(t, k, seeded(t))
	for round := range 3 {
		if round > 0 {
			w.change(t)
		}
		objects := w.settled(t)
		counts := compareReviews(t, w, objects)
		t.Logf("round %d, %d objects:%s", round, objects.Len(), counts)
		if counts["allowed"] < reviews/20 || counts["denied"] < reviews/20 {
			t.Errorf("the world is too permissive, or too strict, to tell much:%s", counts)
		}
	}
}

// compareReviews asks both about random requests.
func compareReviews(t *testing.T, w *world, objects rbac.Objects) tally {
	t.Helper()
	live, err := rbac.New(objects)
	must(t, err)
	written, err := rbac.New(asManifests(objects))
	must(t, err)
	requests := make([]*rbac.Request, reviews)
	statuses := make([]authorizationv1.SubjectAccessReviewStatus, reviews)
	ask, ctx := errgroup.WithContext(t.Context())
	ask.SetLimit(8)
	for i := range requests {
		requests[i] = w.request()
		ask.Go(func() (err error) {
			statuses[i], err = w.review(ctx, requests[i])
			return err
		})
	}
	must(t, ask.Wait())
	counts, cache := tally{}, rbac.NewCache(live, 1<<10)
	for i, r := range requests {
		verdict := judge(live, r, statuses[i].Allowed, statuses[i].Reason)
		counts[verdict.word]++
		if verdict.wrong != "" {
			t.Errorf("%+v: %s\nthe authorizer: %+v", *r, verdict.wrong, statuses[i])
		}
		cached, _ := cache.Resolve(r)
		if plain, _ := live.Resolve(r); cached != plain {
			t.Errorf("%+v: the cache says\n%+v, the policy\n%+v", *r, cached, plain)
		}
		if answer, _ := written.Resolve(r); answer.Allowed != statuses[i].Allowed {
			t.Errorf("%+v: allowed is %v by the manifests, in which aggregated roles are not filled in", *r, answer.Allowed)
		}
	}
	return counts
}

// verdict is how the resolver's answer to a request compares with the
// authorizer's: in a word, and what is wrong with it, if anything.
type verdict struct{ word, wrong string }

// judge compares the resolver with what the authorizer said, which is its
// decision and its reason.
func judge(p *rbac.Policy, r *rbac.Request, allowed bool, reason string) verdict {
	e := p.Explain(r)
	switch plain, _ := p.Resolve(r); {
	case plain != e.Answer:
		return verdict{"inconsistent", fmt.Sprintf("resolved as %+v, explained as %+v", plain, e.Answer)}
	case allowed != e.Answer.Allowed:
		return verdict{"disagreed", fmt.Sprintf("the authorizer allows is %v, the resolver %+v", allowed, e.Answer)}
	case !allowed && (e.Answer.Allowing != "" || e.Answer.Binding != rbac.Binding{}):
		return verdict{"inconsistent", fmt.Sprintf("denied, and yet allowed by something: %+v", e.Answer)}
	case !allowed:
		return verdict{word: "denied"}
	}
	grant, ok := rbac.ParseReason(reason)
	if !ok {
		return verdict{"unparsed", fmt.Sprintf("the reason %q does not parse", reason)}
	}
	var allowing []rbac.Binding
	for _, b := range e.Bindings {
		if len(b.Allowing) > 0 {
			allowing = append(allowing, b.Binding)
		}
	}
	named := rbac.Binding{Namespace: grant.BindingNamespace, Name: grant.Binding}
	if !slices.Contains(allowing, named) || !slices.Contains(allowing, e.Answer.Binding) {
		return verdict{"misattributed", fmt.Sprintf("the authorizer names %+v, the resolver %+v of %+v", named, e.Answer.Binding, allowing)}
	}
	if !slices.Contains(strings.Split(e.Answer.Allowing, rbac.KeySeparator), grant.Role.Key()) {
		return verdict{"misattributed", fmt.Sprintf("the authorizer names the role %s, the resolver %s", grant.Role.Key(), e.Answer.Allowing)}
	}
	if !grant.ToEveryone() && !slices.Contains(strings.Split(e.Answer.Key, rbac.KeySeparator), grant.Role.Key()) {
		return verdict{"misattributed", fmt.Sprintf("the role %s allows and is missing from the key %s", grant.Role.Key(), e.Answer.Key)}
	}
	return verdict{word: "allowed"}
}

// TestKubeSelfReviews asks as the people themselves: the groups that the API
// server gives them are those that the resolver thinks they have.
func TestKubeSelfReviews(t *testing.T) {
	k := theKube(t)
	w := newWorld(t, k, seeded(t))
	policy, err := rbac.New(w.settled(t))
	must(t, err)
	counts := tally{}
	for _, who := range people {
		client := k.client(t, who.user).AuthorizationV1().SelfSubjectAccessReviews()
		for range 100 {
			r := w.request()
			// What the record of a request does not list is implied.
			r.User, r.Groups = who.user, slices.DeleteFunc(slices.Clone(who.groups), func(g string) bool { return strings.HasPrefix(g, "system:") })
			review := &authorizationv1.SelfSubjectAccessReview{}
			review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes = attributes(r)
			review, err := client.Create(t.Context(), review, metav1.CreateOptions{})
			must(t, err)
			verdict := judge(policy, r, review.Status.Allowed, review.Status.Reason)
			counts[verdict.word]++
			if verdict.wrong != "" {
				t.Errorf("%+v: %s\nthe authorizer: %+v", *r, verdict.wrong, review.Status)
			}
		}
	}
	t.Logf("%s", counts)
}
