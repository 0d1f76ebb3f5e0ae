package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// containers changes the rules of single containers.
func (e *env) containers(rules ...appsv1beta1.ContainerUpdate) {
	e.Helper()
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = rules
	})
}

func setSidecarImage(image string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.InitContainers[1].Image = image }
}

// The container of the higher priority runs its new image before the other one is touched.
func TestContainersAreRestartedInOrder(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.containers(appsv1beta1.ContainerUpdate{Name: framework.Sidecar, Priority: 10})
	e.change(func(set *appsv1beta1.CloneSet) {
		setSidecarImage(ref(toolsV2))(set)
		set.Spec.Template.Spec.Containers[0].Image = ref(webV2)
	})
	e.untilComplete()
	e.unchanged(before, framework.Sidecar, framework.MainContainer)
	e.restartedOnce(framework.Sidecar)
	e.restartedOnce(framework.MainContainer)
	for _, pod := range e.pods() {
		first := containerStatus(pod, framework.Sidecar).State.Running
		second := containerStatus(pod, framework.MainContainer).LastTerminationState.Terminated
		if first == nil || second == nil {
			t.Fatalf("pod %s: %+v", pod.Name, pod.Status)
		}
		if second.FinishedAt.Before(&first.StartedAt) {
			t.Errorf("pod %s: the second container was ended at %s, before the first one ran at %s",
				pod.Name, second.FinishedAt, first.StartedAt)
		}
		if pod.Generation != 3 {
			t.Errorf("pod %s has generation %d, want 3: it was not patched twice", pod.Name, pod.Generation)
		}
	}
}

// gateSince returns since when the gates of the pods are what they are, by pod.
func (e *env) gateSince() map[string]metav1.Time {
	e.Helper()
	since := map[string]metav1.Time{}
	for _, pod := range e.pods() {
		gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if gate == nil || gate.Status != corev1.ConditionTrue {
			e.Fatalf("the gate of pod %s is %+v", pod.Name, gate)
		}
		since[pod.Name] = gate.LastTransitionTime
	}
	return since
}

// A container that has nothing to do with the traffic is restarted under load, with its pod in service.
func TestContainerThatNeedsNoDrain(t *testing.T) {
	e := newEnv(t, nil)
	e.containers(appsv1beta1.ContainerUpdate{Name: framework.Sidecar, Drain: appsv1beta1.DrainNotRequired})
	e.startLoad()
	before, since := e.pods(), e.gateSince()
	e.change(setSidecarImage(ref(toolsV2)))
	e.untilComplete()
	e.unchanged(before, framework.Sidecar)
	e.restartedOnce(framework.Sidecar)
	e.expectNoFailedRequest()
	for name, now := range e.gateSince() {
		if before := since[name]; !now.Equal(&before) {
			t.Errorf("pod %s was taken out of service", name)
		}
	}
}

// Its bad image is tried on one pod only, and leaves nothing behind when it is corrected.
func TestBadImageOfAContainerThatNeedsNoDrain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.containers(appsv1beta1.ContainerUpdate{Name: framework.Sidecar, Drain: appsv1beta1.DrainNotRequired})
	e.change(unrehearsed)
	e.change(setSidecarImage(ref("e2e/tools:missing")))
	e.untilSet("no pod is told to fail", func(set *appsv1beta1.CloneSet) bool { return len(set.Status.PodNotes) == 1 })
	e.untilSet("other pods are touched", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.AvailableReplicas == e.spec.Replicas-1 && set.Status.UpdatedReplicas == 0
	})
	e.change(setSidecarImage(ref(toolsV2)))
	e.untilComplete()
	e.unchanged(before, framework.Sidecar)
}
