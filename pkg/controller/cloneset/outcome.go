package cloneset

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// account takes note of what came of one action and returns the error that the pass fails with.
func (r *Reconciler) account(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	switch {
	case result.Claim != nil:
		return r.accountClaim(ctx, set, result)
	case result.Budget != nil:
		return r.accountBudget(ctx, set, result)
	case result.Err != nil:
		return r.accountFailure(ctx, set, result)
	case result.Kind == plan.DeleteRevision:
		r.revisions.Drop(set.UID, result.Revision.Name)
	case result.Revision != nil:
		r.freshness.WroteRevision(keyOf(set), result.ResourceVersion)
	case result.Verb == plan.VerbDelete:
		r.freshness.DeletedPod(keyOf(set), result.Pod)
	case result.Kind == plan.Resize:
		r.observer.Tracker.SeeResizeRefusal(set.UID, result.Pod.UID, nil)
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
	case result.Kind == plan.CreatePod:
		r.observer.Tracker.SeeCreateError(set.UID, "")
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
	case result.Kind == plan.Rehearse:
		r.observer.Tracker.SeeRefusal(set.UID, nil)
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
	default:
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
	}
	log.FromContext(ctx).Info(string(result.Kind), "object", result.Name(), "why", result.Why)
	return nil
}

// dropUnneeded forgets those of the revisions that somebody has deleted that the plan does not make again.
func (r *Reconciler) dropUnneeded(in *plan.Input, p *plan.Plan) {
	for _, lost := range in.Revisions.Lost {
		again := func(a plan.Action) bool { return a.Kind == plan.RestoreRevision && a.Revision.Name == lost.Name }
		if !slices.ContainsFunc(p.Actions, again) {
			r.revisions.Drop(in.Set.UID, lost.Name)
		}
	}
}

func (r *Reconciler) accountFailure(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	if result.Pod != nil && isUncertain(result.Err) {
		r.freshness.Doubt(keyOf(set), result.Name())
	}
	switch {
	case result.Verb == plan.VerbCreate && result.Pod != nil && apierrors.IsAlreadyExists(result.Err):
		return r.accountTaken(ctx, set, result)
	case isRefusedResize(result):
		r.refuseResize(set, result)
	case isExpected(result.Err):
		return nil
	case result.Kind == plan.CreatePod:
		r.observer.Tracker.SeeCreateError(set.UID, result.Err.Error())
	case result.Kind == plan.Rehearse && isRefused(result.Err):
		r.refuse(set, result)
	}
	return fmt.Errorf("%s %s: %w", result.Kind, result.Name(), result.Err)
}

// accountTaken finds out whose pod it is that has the name of one to be created: either an earlier call made it whose
// answer was lost, and the cache will tell of it; or it is somebody else's, of which no event tells, so that the pass has
// to fail for the next one to try another name.
func (r *Reconciler) accountTaken(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	rv, err := r.observer.Identify(ctx, set, result.Pod.Name)
	switch {
	case err != nil:
		return err
	case rv == "":
		if result.Kind == plan.Rehearse {
			r.refuse(set, result) // It has no other name.
		}
		return fmt.Errorf("%s %s: %w", result.Kind, result.Name(), result.Err)
	}
	r.freshness.WrotePod(keyOf(set), rv)
	return nil
}

// refuse takes note of why a rehearsal could not be made. The pass fails, so that the next one, which comes at once, can tell.
func (r *Reconciler) refuse(set *appsv1beta1.CloneSet, result *apply.Result) {
	r.observer.Tracker.SeeRefusal(set.UID, &plan.Refusal{
		Revision: result.Pod.Labels[appsv1beta1.RehearsalLabel], Message: result.Err.Error(), At: r.clock.Now(),
	})
}

func isRefusedResize(result *apply.Result) bool {
	return result.Kind == plan.Resize && isRefused(result.Err) && !apierrors.IsConflict(result.Err)
}

// refuseResize takes note of why a pod could not be resized, and whether that is final. Quotas, limit ranges and rights are
// others' and may change. An API server that finds the resize invalid, or knows of none, goes on doing so, as does one from
// 1.36 on to which the pod's node is too small or cannot do it. If it is the pod that it does not know, that is gone.
func (r *Reconciler) refuseResize(set *appsv1beta1.CloneSet, result *apply.Result) {
	final := !apierrors.IsForbidden(result.Err) || apierrors.HasStatusCause(result.Err, "NodeCapacity") ||
		apierrors.HasStatusCause(result.Err, "UnsupportedPlatform")
	r.observer.Tracker.SeeResizeRefusal(set.UID, result.Pod.UID, &plan.ResizeRefusal{
		Revision: result.Pod.Labels[appsv1beta1.RevisionLabel], Message: result.Err.Error(), Final: final,
	})
}

// settle finds out what became of calls whose outcome is not known. Until then there can be no plan: it would spend a
// budget that may be spent.
func (r *Reconciler) settle(ctx context.Context, key types.NamespacedName) error {
	for _, name := range r.freshness.Doubted(key) {
		pod := &corev1.Pod{}
		err := r.observer.Live.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, pod)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("finding out what became of pod %s: %w", name, err)
		}
		r.freshness.Settle(key, name, pod.ResourceVersion)
	}
	return r.settleBudgets(ctx, key)
}

// isExpected tells whether an error means that the world moved on: the next pass sees it as it is now. In a namespace that
// ends nothing can be made, and the CloneSet will be gone with it.
func isExpected(err error) bool {
	return err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) ||
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// isUncertain tells whether a call that failed may have taken effect all the same. One that the API server refused has
// not.
func isUncertain(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code < http.StatusBadRequest || code >= http.StatusInternalServerError || code == http.StatusRequestTimeout
}

// isRefused tells whether the API server says that it will not do what it was asked for, as long as nothing changes.
func isRefused(err error) bool {
	return !isUncertain(err) && !apierrors.IsTooManyRequests(err)
}

func keyOf(set *appsv1beta1.CloneSet) types.NamespacedName {
	return types.NamespacedName{Namespace: set.Namespace, Name: set.Name}
}
