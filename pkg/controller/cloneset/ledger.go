package cloneset

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// book takes note of what a pod's status tells of its update, and counts what is over.
func (r *Reconciler) book(ref *metav1.OwnerReference, before, pod *corev1.Pod) {
	r.metrics.took(r.observer.Ledger.SeePod(ref.UID, before, pod, r.clock.Now()))
	if restarts := inplace.NewlyPlanned(before, pod); restarts > 0 {
		r.metrics.planned(types.NamespacedName{Namespace: pod.Namespace, Name: ref.Name}, restarts)
	}
	r.bookEndpoints(ref, pod)
}

// bookEndpoints takes note of whether a pod that is ready again is back in all EndpointSlices that list it.
func (r *Reconciler) bookEndpoints(ref *metav1.OwnerReference, pod *corev1.Pod) {
	if !r.observer.Ledger.AwaitsEndpoints(ref.UID, pod.UID) {
		return
	}
	if listed, serving, err := r.observer.ServesFully(pod.UID); err == nil {
		r.metrics.took(r.observer.Ledger.SeeEndpoints(ref.UID, pod.UID, listed, serving, r.clock.Now()))
	}
}
