package cloneset

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// stragglers brings pods back into service that were drained and then lost their owner: by an orphaning deletion, or
// because their labels stopped matching. Nobody else would. A pod that is to be adopted is left to whoever adopts it. Pods
// that pull images for an owner that has given them up are deleted.
type stragglers struct {
	cache    client.Reader
	stores   observe.Stores
	executor *apply.Executor
	clock    clock.PassiveClock
}

func setupStragglers(mgr manager.Manager, executor *apply.Executor, stores observe.Stores, now clock.PassiveClock) error {
	s := &stragglers{cache: mgr.GetCache(), stores: stores, executor: executor, clock: now}
	return builder.ControllerManagedBy(mgr).
		Named("stragglers").
		For(&corev1.Pod{}, builder.WithPredicates(predicate.NewPredicateFuncs(isStraggler))).
		Watches(&appsv1beta1.CloneSet{}, s.departureHandler()).
		Complete(s)
}

// departureHandler looks again at the pods that were left to a CloneSet that is going.
func (s *stragglers) departureHandler() handler.EventHandler {
	return onDeparture(func(namespace string, q queue) {
		for _, orphan := range s.stores.Orphans(namespace) {
			if isStraggler(orphan) {
				q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(orphan)})
			}
		}
	})
}

// isStraggler tells whether a pod was left out of service by nobody's will.
func isStraggler(object client.Object) bool {
	pod, ok := object.(*corev1.Pod)
	if !ok || metav1.GetControllerOfNoCopy(pod) != nil || pod.DeletionTimestamp != nil {
		return false
	}
	if inplace.IsRehearsal(pod) {
		return true
	}
	gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
	return gate == nil && inplace.HasGate(pod) || gate != nil && gate.Status == corev1.ConditionFalse
}

// Reconcile brings one pod back into service, or deletes one that pulls images for nobody.
func (s *stragglers) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pod := &corev1.Pod{}
	err := s.cache.Get(ctx, req.NamespacedName, pod)
	if err != nil || !isStraggler(pod) || s.stores.Adopter(pod) != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	action := plan.Action{
		Kind: plan.Restore, Verb: plan.VerbPatchStatus, Pod: pod, Patch: inplace.ServePatch(pod, s.clock.Now()),
		Why: "it has no owner any more",
	}
	if inplace.IsRehearsal(pod) {
		action = plan.Action{Kind: plan.EndRehearsal, Verb: plan.VerbDelete, Pod: pod, Why: action.Why}
	}
	results := s.executor.Do(ctx, []plan.Action{action})
	if err := results[0].Err; !isExpected(err) {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, nil
}
