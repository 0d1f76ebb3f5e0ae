package cloneset

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// claimHandler asks for a pass when a claim appears, changes its owner, terminates or is gone. That one is bound decides
// nothing.
func claimHandler() handler.EventHandler {
	enqueue := func(object any, q queue) {
		if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
			if set := observe.CloneSetOf(claim); set.Name != "" {
				q.Add(reconcile.Request{NamespacedName: set})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if claimMatters(e.ObjectOld, e.ObjectNew) {
				enqueue(e.ObjectOld, q)
				enqueue(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// claimMatters tells whether a claim has changed in what decisions need.
func claimMatters(before, after metav1.Object) bool {
	return (before.GetDeletionTimestamp() == nil) != (after.GetDeletionTimestamp() == nil) ||
		!slices.Equal(ownersOf(before), ownersOf(after))
}

func ownersOf(object metav1.Object) []string {
	var owners []string
	for _, ref := range object.GetOwnerReferences() {
		owners = append(owners, string(ref.UID))
	}
	return owners
}

// accountClaim takes note of what came of an action on a claim. Such an action needs no settling where its outcome is not
// known: the names of claims are given, so that none is made twice, and what is deleted or patched is conditioned.
func (r *Reconciler) accountClaim(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	switch {
	case result.Err != nil:
		return r.accountClaimFailure(set, result)
	case result.Verb == plan.VerbDelete:
		r.freshness.DeletedClaim(keyOf(set), result.Claim)
	default:
		r.observer.Tracker.SeeClaimError(set.UID, result.Claim.Name, "")
		r.freshness.WroteClaim(keyOf(set), result.ResourceVersion)
	}
	log.FromContext(ctx).Info(string(result.Kind), "object", result.Name(), "why", result.Why)
	return nil
}

// accountClaimFailure fails the pass in all cases in which no event tells when to try again: a claim exists that the cache
// does not hold, or has changed in what decides nothing, as when it is bound.
func (r *Reconciler) accountClaimFailure(set *appsv1beta1.CloneSet, result *apply.Result) error {
	switch {
	case apierrors.IsNotFound(result.Err), apierrors.HasStatusCause(result.Err, corev1.NamespaceTerminatingCause):
		return nil
	case apierrors.IsAlreadyExists(result.Err):
		r.observer.Tracker.SeekClaim(set.UID, result.Claim.Name, false)
	case result.Kind == plan.CreateClaim:
		r.observer.Tracker.SeeClaimError(set.UID, result.Claim.Name, result.Err.Error())
	}
	return fmt.Errorf("%s %s: %w", result.Kind, result.Name(), result.Err)
}
