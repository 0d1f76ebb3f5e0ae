package cloneset

import (
	"errors"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// A place that was given back by a call whose answer was lost would be used once more, by the cache that still has it.
func TestWriteOfABudgetWithoutAnOutcomeIsSettled(t *testing.T) {
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
	for name, tt := range map[string]struct {
		err     error
		doubted int
	}{
		"the answer was lost": {errors.New("the connection was lost"), 1},
		"it was refused":      {apierrors.NewTooManyRequests("too many requests", 1), 0},
		"somebody was faster": {apierrors.NewConflict(policyv1.Resource("poddisruptionbudgets"), "web", errors.New("it was changed")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
			r := &Reconciler{
				observer:  &observe.Observer{Live: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(budget).Build()},
				freshness: observe.NewFreshness(observe.Stores{}),
			}
			action := plan.Action{Kind: plan.GiveBack, Verb: plan.VerbPatchStatus, Budget: budget}
			_ = r.accountBudget(t.Context(), set, &apply.Result{Action: action, Err: tt.err})
			if got := r.freshness.DoubtedBudgets(keyOf(set)); len(got) != tt.doubted {
				t.Errorf("doubted %v, want %d", got, tt.doubted)
			}
			if err := r.settle(t.Context(), keyOf(set)); err != nil || len(r.freshness.DoubtedBudgets(keyOf(set))) > 0 {
				t.Errorf("not settled: %v", err)
			}
		})
	}
}
