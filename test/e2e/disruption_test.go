package e2e

import (
	"context"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// A PodDisruptionBudget that is stricter than the CloneSet's own limits decides; in the end it is as it was.
func TestUpdateKeepsToTheDisruptionBudget(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(w *framework.Workload) { w.MaxUnavailable = intstr.FromString("100%") })
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{framework.AppLabel: app}},
		},
	}
	e.must(e.cluster.Client.Create(e.ctx, budget))
	e.untilBudget(budget, func(s *policyv1.PodDisruptionBudgetStatus) bool { return s.DisruptionsAllowed == 1 })
	before := e.pods()
	fewest := len(before)
	stop := e.view.Observe(func() {
		ready := 0
		for _, pod := range e.pods() {
			if framework.IsReady(pod) {
				ready++
			}
		}
		fewest = min(fewest, ready)
	})
	e.setImage(ref(webV2))
	e.untilComplete()
	stop()
	if fewest < len(before)-1 {
		t.Errorf("there were only %d ready pods of %d", fewest, len(before))
	}
	e.unchanged(before, framework.MainContainer)
	e.untilBudget(budget, func(s *policyv1.PodDisruptionBudgetStatus) bool {
		return len(s.DisruptedPods) == 0 && s.DisruptionsAllowed == 1
	})
}

// untilBudget waits for the status of a PodDisruptionBudget, which no view shows, to satisfy a condition.
func (e *env) untilBudget(budget *policyv1.PodDisruptionBudget, condition func(*policyv1.PodDisruptionBudgetStatus) bool) {
	e.Helper()
	err := wait.PollUntilContextTimeout(e.ctx, 100*time.Millisecond, stepTimeout, true, func(ctx context.Context) (bool, error) {
		err := e.cluster.Client.Get(ctx, client.ObjectKeyFromObject(budget), budget)
		return err == nil && condition(&budget.Status), err
	})
	if err != nil {
		e.Fatalf("%v: the budget is %+v", err, budget.Status)
	}
}
