package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

// unchanged checks that the pods are the ones before, and that no container but the updated ones was restarted.
func (e *env) unchanged(before []*corev1.Pod, updated ...string) {
	e.Helper()
	n := len(before)
	want := rollout.Identity{Pods: n, SameUID: n, SameIP: n, SameNode: n}
	if got := rollout.Compare(before, e.pods(), updated...); got != want {
		e.Errorf("the pods after the update are %+v, want %+v%s", got, want, e.view.Describe(app))
	}
}

// restartsOf returns how often the pod's container was restarted.
func restartsOf(pod *corev1.Pod, container string) int32 {
	return containerStatus(pod, container).RestartCount
}

func containerStatus(pod *corev1.Pod, container string) corev1.ContainerStatus {
	for _, s := range append(append([]corev1.ContainerStatus{}, pod.Status.ContainerStatuses...), pod.Status.InitContainerStatuses...) {
		if s.Name == container {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// restartedOnce checks that the container was restarted once in every pod.
func (e *env) restartedOnce(container string) {
	e.Helper()
	for _, pod := range e.pods() {
		if n := restartsOf(pod, container); n != 1 {
			e.Errorf("container %s of pod %s was restarted %d times", container, pod.Name, n)
		}
	}
}

func TestUpdateInPlaceLosesNoRequestAndNoPod(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) {
		w.Replicas, w.GracePeriodSeconds = 6, graceSeconds
		w.InitWork, w.SidecarStartup, w.ReadyDelay = 4*time.Second, 3*time.Second, time.Second
	})
	e.startLoad()
	before := e.pods()
	stop := e.view.Measure(clock.RealClock{}, app, 6)
	e.setImage(ref(webV2))
	e.untilComplete()
	cost := stop()
	e.unchanged(before, framework.MainContainer)
	e.restartedOnce(framework.MainContainer)
	e.expectNoFailedRequest()
	if n := e.sent().NewConnections.Answers["v2"]; n == 0 {
		t.Error("no request was answered by the new version")
	}
	// A pod that is recreated is out for more than the 8 s that its init container, its sidecar and its server take.
	if cost.MedianOut >= 8*time.Second {
		t.Errorf("one pod was out of service for %s, as long as a recreated one", cost.MedianOut)
	}
}

func TestUpdateOfTheSidecarRestartsNothingElse(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.InitContainers[1].Image = ref(toolsV2) })
	e.untilComplete()
	e.unchanged(before, framework.Sidecar)
	e.restartedOnce(framework.Sidecar)
	e.expectNoFailedRequest()
}

func TestNewTagOfTheSameImageCompletes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers[0].Image, set.Spec.RevisionHistoryLimit = ref(webV1Again), new(int32(0))
	})
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.restartedOnce(framework.MainContainer)
}

func TestReferenceByDigestCompletes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	_, digest, ok := strings.Cut(containerStatus(before[0], framework.MainContainer).ImageID, "@")
	if !ok {
		t.Fatalf("the node tells no digest:%s", e.view.Describe(app))
	}
	e.setImage(ref("e2e/web@" + digest))
	e.untilComplete()
	e.restartedOnce(framework.MainContainer)
	e.setImage(ref(webV2))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
}
