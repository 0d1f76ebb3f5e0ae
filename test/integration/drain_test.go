package integration_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// letGo is the condition by which the controller of a load balancer tells that it sends a pod nothing any more.
const letGo corev1.PodConditionType = "example.com/drained"

func setDrain(timeoutSeconds int32) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Drain = &appsv1beta1.DrainStrategy{
			UntilCondition: string(letGo), TimeoutSeconds: &timeoutSeconds,
		}
	}
}

// asksToLetGo tells whether a pod is drained and asks the load balancer to let go of it.
func asksToLetGo(pod *corev1.Pod) bool {
	return gateOff(pod) && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == letGo && c.Status == corev1.ConditionFalse && c.Reason == appsv1beta1.GateReasonDraining
	})
}

// release sets the condition, as the controller of a load balancer does.
func (e *env) release(pod *corev1.Pod) {
	e.Helper()
	e.editStatus(pod, func(pod *corev1.Pod) {
		at := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == letGo })
		pod.Status.Conditions[at].Status = corev1.ConditionTrue
		pod.Status.Conditions[at].LastTransitionTime = metav1.Now()
	})
}

// A pod that was drained is restarted when the load balancer has let go of it, and in the next update again.
func TestWaitsForLoadBalancer(t *testing.T) {
	e := newEnv(t)
	e.created(2, setDrain(forEver))
	before := e.identities()
	for _, image := range []string{imageV2, "registry.example/web:v3"} {
		e.change(setImage(image))
		for range 2 {
			pod := e.untilPod("asks to be let go of", asksToLetGo)
			e.untilSet("no note tells what the pod waits for", func(set *appsv1beta1.CloneSet) bool {
				return slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
					return n.Name == pod.Name && n.Reason == appsv1beta1.NoteAwaitingRelease
				})
			})
			e.expectCount(0, "are patched though the load balancer holds on to them", func(p *corev1.Pod) bool {
				return p.Name == pod.Name && p.Spec.Containers[0].Image == image
			})
			e.release(pod)
			e.untilKnown(pod, "runs the new image", runs(image))
		}
		e.untilComplete(app)
	}
	e.expectIdentities(before)
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2 + 2*2*2, "patch": 2 * 2})
}

func TestGoesOnWithoutLoadBalancer(t *testing.T) {
	e := newEnv(t)
	e.created(1, setDrain(1))
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.untilEvent("UpdateInPlace", "its condition example.com/drained did not become True within 1s")
	e.expectIdentities(before)
}
