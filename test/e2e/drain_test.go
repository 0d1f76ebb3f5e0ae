package e2e

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// letGo is the condition by which somebody else tells that nothing sends a pod requests any more.
const letGo corev1.PodConditionType = "example.com/drained"

func heldOnTo(condition corev1.PodCondition) bool {
	return condition.Type == letGo && condition.Status == corev1.ConditionFalse
}

// A kubelet leaves the condition alone, and the pod is not restarted before it is True.
func TestDrainWaitsForItsCondition(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers[0].Image = ref(webV2)
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Drain = &appsv1beta1.DrainStrategy{UntilCondition: string(letGo)}
	})
	for range before {
		pod := e.untilPod("waits to be let go of", func(pod *corev1.Pod) bool {
			return !framework.IsReady(pod) && slices.ContainsFunc(pod.Status.Conditions, heldOnTo)
		})
		e.untilSet("no note tells that the pod waits", func(set *appsv1beta1.CloneSet) bool {
			return slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
				return n.Name == pod.Name && n.Reason == appsv1beta1.NoteAwaitingRelease
			})
		})
		pod = e.view.Pod(pod.Name)
		if image := pod.Spec.Containers[0].Image; image != ref(webV1) {
			t.Errorf("pod %s was patched to %s before it was let go of", pod.Name, image)
		}
		after := pod.DeepCopy()
		at := slices.IndexFunc(after.Status.Conditions, heldOnTo)
		after.Status.Conditions[at].Status, after.Status.Conditions[at].LastTransitionTime = corev1.ConditionTrue, metav1.Now()
		e.must(e.cluster.Client.Status().Patch(e.ctx, after, client.StrategicMergeFrom(pod)))
		e.until(func() (bool, string) {
			known := e.view.Pod(pod.Name)
			return known != nil && !slices.ContainsFunc(known.Status.Conditions, heldOnTo), "the condition is not seen"
		})
	}
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}
