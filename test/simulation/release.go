package simulation

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// released is the condition by which the controller of a load balancer tells that it sends a pod nothing any more.
const released corev1.PodConditionType = handlerDomain + "released"

// release draws a drain that waits for the load balancer.
func release(t *rapid.T) func(*spec) {
	timeout := rapid.SampledFrom([]int32{0, 4, 60}).Draw(t, "drain.timeoutSeconds")
	drain := &appsv1beta1.DrainStrategy{UntilCondition: string(released), TimeoutSeconds: &timeout}
	if rapid.IntRange(0, 3).Draw(t, "drain") == 0 {
		drain = nil
	}
	return func(s *spec) { inPlaceOf(s).Drain = drain }
}

// awaitsRelease tells whether a pod was drained and the load balancer has not answered yet.
func awaitsRelease(pod *corev1.Pod) bool {
	condition := conditionOf(pod, released)
	return condition != nil && condition.Status == corev1.ConditionFalse && gateOf(pod) == corev1.ConditionFalse
}

// releases has the load balancer let go of a pod that is drained, after a while, or in a tenth of all cases never.
func (r *run) releases(pod *corev1.Pod) {
	if pod == nil || !awaitsRelease(pod) || r.releasing[pod.UID] || r.rng.IntN(10) == 0 {
		return
	}
	r.releasing[pod.UID] = true
	r.world.After(time.Duration(r.rng.IntN(6000))*time.Millisecond, func() {
		delete(r.releasing, pod.UID)
		now := r.world.Pod(pod.Name)
		if now == nil || now.UID != pod.UID || !awaitsRelease(now) {
			return
		}
		_, err := r.world.Patch(pod.Name, types.StrategicMergePatchType, fmt.Appendf(nil,
			`{"status":{"conditions":[{"type":%q,"status":"True","lastTransitionTime":%q}]}}`,
			released, r.world.Now().UTC().Format(time.RFC3339)), "status")
		r.note("the load balancer lets go of %s: %v", pod.Name, err)
		if err != nil {
			r.releases(r.world.Pod(pod.Name))
		}
	})
}

// mayPatch tells whether a drained pod was released, or waited for that for as long as its CloneSet says.
func mayPatch(set *appsv1beta1.CloneSet, pod *corev1.Pod, now time.Time) bool {
	drain := set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Drain
	if drain == nil {
		return true
	}
	condition := conditionOf(pod, corev1.PodConditionType(drain.UntilCondition))
	if condition != nil && condition.Status == corev1.ConditionTrue {
		return true
	}
	gate := conditionOf(pod, appsv1beta1.InPlaceUpdateReady)
	return gate != nil && now.Sub(gate.LastTransitionTime.Time) >= time.Duration(*drain.TimeoutSeconds)*time.Second
}
