package framework

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

// CloneSetComplete says whether all pods of the CloneSet are at its template and available, as its status tells, and if
// not, what its status says.
func CloneSetComplete(set *appsv1beta1.CloneSet) (done bool, missing string) {
	if set == nil {
		return false, "there is no CloneSet"
	}
	s, want := set.Status, *set.Spec.Replicas
	return s.ObservedGeneration == set.Generation && s.Replicas == want && s.UpdatedAvailableReplicas == want,
		fmt.Sprintf("CloneSet %s of generation %d has status %+v", set.Name, set.Generation, s)
}

// Complete says the same as CloneSetComplete, and that the view shows the pods of which the status tells. They are followed
// one by one, and a status may be seen before the pods that it counts.
func (v *View) Complete(cloneSet string) (done bool, missing string) {
	set := v.CloneSet(cloneSet)
	if done, missing = CloneSetComplete(set); !done {
		return false, missing
	}
	seen := 0
	for _, pod := range v.Pods(set.Spec.Template.Labels[AppLabel]) {
		if metav1.IsControlledBy(pod, set) && pod.DeletionTimestamp == nil && hasCondition(pod, corev1.PodReady, corev1.ConditionTrue) &&
			pod.Labels[appsv1.ControllerRevisionHashLabelKey] == set.Status.UpdateRevision {
			seen++
		}
	}
	return seen == int(*set.Spec.Replicas), fmt.Sprintf("%d pods are seen at the template of %s", seen, missing)
}

// DeploymentComplete says the same of a Deployment.
func DeploymentComplete(d *appsv1.Deployment) (done bool, missing string) {
	if d == nil {
		return false, "there is no Deployment"
	}
	s, want := d.Status, *d.Spec.Replicas
	return s.ObservedGeneration == d.Generation && s.Replicas == want && s.UpdatedReplicas == want &&
			s.AvailableReplicas == want,
		fmt.Sprintf("Deployment %s of generation %d has status %+v", d.Name, d.Generation, s)
}

// UntilInService waits until as many pods as wanted take traffic from the Service.
func (v *View) UntilInService(ctx context.Context, service string, want int) error {
	return v.Until(ctx, func() (bool, string) {
		n := rollout.InService(v.Slices(service)).Len()
		return n == want, fmt.Sprintf("%d of %d pods are in service: %s", n, want, describe(v.Pods(service)...))
	})
}

// Measure measures, from now on, how long how many of the Service's pods are out of service. stop ends the measurement
// and returns its result.
func (v *View) Measure(c clock.PassiveClock, service string, replicas int) (stop func() rollout.Cost) {
	outage := rollout.NewOutage(c.Now(), replicas, rollout.InService(v.Slices(service)))
	end := v.Observe(func() { outage.Observe(c.Now(), rollout.InService(v.Slices(service))) })
	return func() rollout.Cost {
		end()
		return outage.Cost(c.Now())
	}
}

// IsReady says whether the pod's Ready condition is True.
func IsReady(pod *corev1.Pod) bool { return hasCondition(pod, corev1.PodReady, corev1.ConditionTrue) }

func hasCondition(pod *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == status
		}
	}
	return false
}

// InServiceByGate says whether the pod's readiness gate for in-place updates lets traffic through.
func InServiceByGate(pod *corev1.Pod) bool {
	return hasCondition(pod, appsv1beta1.InPlaceUpdateReady, corev1.ConditionTrue)
}
