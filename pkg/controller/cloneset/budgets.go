package cloneset

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
)

// budgetHandler asks for a pass of the CloneSets whose pods a PodDisruptionBudget selects, or selected, whenever anything
// about it changes: a pass whose write of it was refused has nothing else to wait for.
func (r *Reconciler) budgetHandler() handler.EventHandler {
	enqueue := func(q queue, objects ...client.Object) {
		var budgets []*policyv1.PodDisruptionBudget
		for _, object := range objects {
			if budget, ok := object.(*policyv1.PodDisruptionBudget); ok {
				budgets = append(budgets, budget)
			}
		}
		for _, set := range r.observer.Stores.SelectedBy(budgets...) {
			q.Add(reconcile.Request{NamespacedName: keyOf(set)})
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(q, e.Object) },
	}
}

// accountBudget takes note of what came of taking or giving back places. Where that is not known, it has to be found out: a
// place that was given back must not be used. A conflict is no failure: whoever counts the healthy pods writes the same
// status, and the event of that starts the next pass.
func (r *Reconciler) accountBudget(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	switch {
	case result.Err == nil:
	case isExpected(result.Err):
		return nil
	default:
		if isUncertain(result.Err) {
			r.freshness.DoubtBudget(keyOf(set), result.Name())
		}
		return fmt.Errorf("%s %s: %w", result.Kind, result.Name(), result.Err)
	}
	r.freshness.WroteBudget(keyOf(set), result.ResourceVersion)
	log.FromContext(ctx).Info(string(result.Kind), "object", result.Name(), "why", result.Why)
	return nil
}

// settleBudgets finds out what became of writes of PodDisruptionBudgets whose outcome is not known. They are listed, which is
// the one way to read them that the caches need as well.
func (r *Reconciler) settleBudgets(ctx context.Context, key types.NamespacedName) error {
	doubted := r.freshness.DoubtedBudgets(key)
	if len(doubted) == 0 {
		return nil
	}
	live := &metav1.PartialObjectMetadataList{}
	live.SetGroupVersionKind(policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudgetList"))
	if err := r.observer.Live.List(ctx, live, client.InNamespace(key.Namespace)); err != nil {
		return fmt.Errorf("finding out what became of PodDisruptionBudgets: %w", err)
	}
	versions := map[string]string{}
	for i := range live.Items {
		versions[live.Items[i].Name] = live.Items[i].ResourceVersion
	}
	for _, name := range doubted {
		r.freshness.SettleBudget(key, name, versions[name])
	}
	return nil
}
