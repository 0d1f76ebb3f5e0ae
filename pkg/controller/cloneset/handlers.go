package cloneset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// matters tells whether an update of a CloneSet asks for a pass. Its status is written by passes; a pass for that would
// be one too many, unless one waits for the cache to hold it, or the stable revision is another: the one before may have
// to leave the history now. Of its annotations the one matters that revisions carry.
func (r *Reconciler) matters(e event.UpdateEvent) bool {
	return r.freshness.TurnedAway(client.ObjectKeyFromObject(e.ObjectNew)) ||
		e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
		(e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil) ||
		stableRevision(e.ObjectOld) != stableRevision(e.ObjectNew) ||
		changeCause(e.ObjectOld) != changeCause(e.ObjectNew)
}

func stableRevision(object client.Object) string {
	if set, ok := object.(*appsv1beta1.CloneSet); ok {
		return set.Status.CurrentRevision
	}
	return ""
}

func changeCause(object client.Object) string {
	return object.GetAnnotations()[appsv1beta1.ChangeCauseAnnotation]
}

// forget drops what is remembered of a CloneSet that is gone.
func (r *Reconciler) forget(e event.DeleteEvent) bool {
	key := client.ObjectKeyFromObject(e.Object)
	r.observer.Tracker.Forget(e.Object.GetUID())
	r.observer.Ledger.Forget(e.Object.GetUID())
	r.metrics.forget(key)
	r.freshness.Forget(key)
	r.revisions.DropAll(e.Object.GetUID())
	r.pace.forget(key)
	return false
}

// owner returns the CloneSet that controls an object, or nil.
func owner(object client.Object) *metav1.OwnerReference {
	ref := metav1.GetControllerOfNoCopy(object)
	if ref == nil || ref.Kind != appsv1beta1.CloneSetKind.Kind || ref.APIVersion != appsv1beta1.GroupVersion.String() {
		return nil
	}
	return ref
}

func enqueueOwner(object client.Object, q queue) {
	if ref := owner(object); ref != nil {
		q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: ref.Name}})
	}
}

// enqueueAdopter asks for a pass of the CloneSet that is to adopt an object that nobody owns.
func (r *Reconciler) enqueueAdopter(object client.Object, q queue) {
	if set := r.observer.Stores.Adopter(object); set != nil {
		q.Add(reconcile.Request{NamespacedName: keyOf(set)})
	}
}

// heirHandler asks for a pass of the CloneSets that are to adopt what another one would have adopted that is going now.
func (r *Reconciler) heirHandler() handler.EventHandler {
	return onDeparture(func(namespace string, q queue) {
		for _, orphan := range r.observer.Stores.Orphans(namespace) {
			r.enqueueAdopter(orphan, q)
		}
	})
}

// onDeparture handles the events by which an object begins to be deleted or is gone.
func onDeparture(handle func(namespace string, q queue)) handler.EventHandler {
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetDeletionTimestamp() == nil && e.ObjectNew.GetDeletionTimestamp() != nil {
				handle(e.ObjectNew.GetNamespace(), q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { handle(e.Object.GetNamespace(), q) },
	}
}

// podHandler takes note of every status of a pod, before the pass that it asks for.
func (r *Reconciler) podHandler() handler.EventHandler {
	see := func(before, object client.Object, q queue) {
		if inplace.IsRehearsal(object) {
			enqueueOwner(object, q)
			return
		}
		if ref := owner(object); ref != nil {
			old, _ := before.(*corev1.Pod)
			if pod, ok := object.(*corev1.Pod); ok {
				r.observer.Tracker.SeePod(ref.UID, old, pod, r.clock.Now())
				r.book(ref, old, pod)
			}
			enqueueOwner(object, q)
			return
		}
		r.enqueueAdopter(object, q)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { see(nil, e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			see(e.ObjectOld, e.ObjectNew, q)
			if lost := owner(e.ObjectOld); lost != nil && owner(e.ObjectNew) == nil {
				enqueueOwner(e.ObjectOld, q) // Its replicas are one less.
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if ref := owner(e.Object); ref != nil {
				if pod, ok := e.Object.(*corev1.Pod); ok && !inplace.IsRehearsal(pod) {
					r.observer.Tracker.SeeGone(ref.UID, pod)
					r.observer.Ledger.SeeGone(ref.UID, pod.UID)
				}
				enqueueOwner(e.Object, q)
			}
		},
	}
}

// revisionHandler asks for a pass when a revision appears, changes or is gone, or is to be adopted.
func (r *Reconciler) revisionHandler() handler.EventHandler {
	enqueue := func(object client.Object, q queue) {
		enqueueOwner(object, q)
		r.enqueueAdopter(object, q)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if revision, ok := e.Object.(*appsv1.ControllerRevision); ok {
				r.revisions.Forget(revision.UID)
			}
			enqueueOwner(e.Object, q)
		},
	}
}

// sliceHandler asks for a pass of the CloneSets whose pods' endpoints began or ended serving.
func (r *Reconciler) sliceHandler() handler.EventHandler {
	flip := func(before, after client.Object, q queue) {
		old, _ := before.(*discoveryv1.EndpointSlice)
		current, _ := after.(*discoveryv1.EndpointSlice)
		for _, uid := range observe.Flipped(old, current) {
			if pod := r.observer.Stores.PodByUID(uid); pod != nil {
				if ref := owner(pod); ref != nil {
					r.bookEndpoints(ref, pod)
				}
				enqueueOwner(pod, q)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { flip(nil, e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { flip(e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { flip(e.Object, nil, q) },
	}
}
