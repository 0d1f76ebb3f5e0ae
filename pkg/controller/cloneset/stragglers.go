package cloneset

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// stragglers brings pods back into service that were drained and then lost their owner: by an orphaning deletion, or
// because their labels stopped matching. Nobody else would.
type stragglers struct {
	cache    client.Reader
	executor *apply.Executor
	clock    clock.PassiveClock
}

func setupStragglers(mgr manager.Manager, executor *apply.Executor, now clock.PassiveClock) error {
	s := &stragglers{cache: mgr.GetCache(), executor: executor, clock: now}
	return builder.ControllerManagedBy(mgr).
		Named("stragglers").
		For(&corev1.Pod{}, builder.WithPredicates(predicate.NewPredicateFuncs(isStraggler))).
		Complete(s)
}

// isStraggler tells whether a pod was left out of service by nobody's will.
func isStraggler(object client.Object) bool {
	pod, ok := object.(*corev1.Pod)
	if !ok || metav1.GetControllerOfNoCopy(pod) != nil || pod.DeletionTimestamp != nil {
		return false
	}
	gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
	return gate == nil && inplace.HasGate(pod) || gate != nil && gate.Status == corev1.ConditionFalse
}

// Reconcile brings one pod back into service.
func (s *stragglers) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pod := &corev1.Pod{}
	if err := s.cache.Get(ctx, req.NamespacedName, pod); err != nil || !isStraggler(pod) {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	results := s.executor.Do(ctx, []plan.Action{{
		Kind: plan.Restore, Verb: plan.VerbPatchStatus, Pod: pod, Patch: inplace.ServePatch(pod, s.clock.Now()),
		Why: "it has no owner any more",
	}})
	if err := results[0].Err; !isExpected(err) {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, nil
}
