package e2e

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// longDrain leaves time to do something to a pod between its drain and its restart.
func longDrain(w *framework.Workload) { w.GracePeriodSeconds = 5 }

// drained begins an update to webV2 and returns a pod that is drained and not yet patched.
func (e *env) drained() *corev1.Pod {
	e.Helper()
	e.setImage(ref(webV2))
	return e.untilPod("no pod is drained", draining(ref(webV1)))
}

// untilReplaced waits until the pod is gone and all pods are updated.
func (e *env) untilReplaced(pod *corev1.Pod) {
	e.Helper()
	e.until(func() (bool, string) {
		now := e.view.Pod(pod.Name)
		return now == nil || now.UID != pod.UID, "the pod is still there"
	})
	e.untilComplete()
	e.expectImages(map[string]int{ref(webV2): int(e.spec.Replicas)})
}

func TestPodDeletedDuringItsUpdateIsReplaced(t *testing.T) {
	t.Parallel()
	e := newEnv(t, longDrain)
	pod := e.drained()
	e.must(e.cluster.Client.Delete(e.ctx, pod.DeepCopy()))
	e.untilReplaced(pod)
}

func TestPodEvictedDuringItsUpdateIsReplaced(t *testing.T) {
	t.Parallel()
	e := newEnv(t, longDrain)
	pod := e.drained()
	e.must(e.cluster.Client.SubResource("eviction").Create(e.ctx, pod.DeepCopy(), &policyv1.Eviction{}))
	e.untilReplaced(pod)
}

func TestPodRelabelledDuringItsUpdateIsReleasedAndServes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, longDrain)
	pod := e.drained()
	e.patchPod(pod, func(p *corev1.Pod) { p.Labels[framework.AppLabel] = "other" })
	e.untilComplete()
	e.expectImages(map[string]int{ref(webV2): int(e.spec.Replicas)})
	e.untilFree(pod)
}

func TestPodEditedByHandDuringItsUpdateIsUpdated(t *testing.T) {
	t.Parallel()
	e := newEnv(t, longDrain)
	before := e.pods()
	e.patchPod(e.drained(), func(p *corev1.Pod) {
		p.Spec.Containers[0].Image = ref(webV3)
		p.Labels["by"] = "hand"
	})
	e.untilComplete()
	e.expectImages(map[string]int{ref(webV2): int(e.spec.Replicas)})
	e.unchanged(before, framework.MainContainer)
}

func TestOrphanedPodsServeAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, longDrain)
	before := e.pods()
	e.drained()
	e.must(e.cluster.Client.Delete(e.ctx, e.view.CloneSet(app).DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	for _, pod := range before {
		e.untilFree(pod)
	}
	e.unchanged(before)
	for _, pod := range e.pods() {
		if image := pod.Spec.Containers[0].Image; image != ref(webV1) {
			t.Errorf("orphaned pod %s was given image %s", pod.Name, image)
		}
	}
}

// untilFree waits until the pod has no controller and is in service.
func (e *env) untilFree(pod *corev1.Pod) {
	e.Helper()
	e.until(func() (bool, string) {
		now := e.view.Pod(pod.Name)
		free := now != nil && now.UID == pod.UID && metav1.GetControllerOf(now) == nil && framework.InServiceByGate(now)
		return free, fmt.Sprintf("pod %s is not on its own and in service: %s", pod.Name, e.view.Describe(app))
	})
}

func (e *env) patchPod(pod *corev1.Pod, alter func(*corev1.Pod)) {
	e.Helper()
	after := pod.DeepCopy()
	alter(after)
	e.must(e.cluster.Client.Patch(e.ctx, after, client.StrategicMergeFrom(pod)))
}

// The newest template wins, wherever the update of a pod to the one before it is.
func TestTemplateChangedDuringAnUpdate(t *testing.T) {
	tests := map[string]struct {
		image string
		until func(*env)
	}{
		"during a drain": {webV2, func(e *env) { e.untilPod("no pod is drained", draining(ref(webV1))) }},
		"during a pull": {slowWeb, func(e *env) {
			e.untilPod("no pod has the image", draining(ref(slowWeb)))
		}},
		"during a restart": {webV2, func(e *env) {
			e.untilPod("no pod was restarted", func(p *corev1.Pod) bool {
				return restartsOf(p, framework.MainContainer) == 1 && !framework.IsReady(p)
			})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = 2 })
			before := e.pods()
			if test.image == slowWeb {
				e.change(unrehearsed) // Or the pull would be over before the drain.
			}
			e.setImage(ref(test.image))
			test.until(e)
			e.setImage(ref(webV3))
			e.untilComplete()
			e.expectImages(map[string]int{ref(webV3): int(e.spec.Replicas)})
			e.unchanged(before, framework.MainContainer)
			e.expectAnswers("v3")
		})
	}
}

// expectAnswers checks that every request is answered by that version of the web server.
func (e *env) expectAnswers(version string) {
	e.Helper()
	e.startLoad()
	e.untilSent(100)
	fresh := e.sent().NewConnections
	if n := fresh.Answers[version]; n != fresh.Requests {
		e.Errorf("%d of %d requests were answered by version %s: %+v", n, fresh.Requests, version, fresh)
	}
}

// untilSent waits until the load has sent so many requests.
func (e *env) untilSent(requests int64) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, stepTimeout)
	defer cancel()
	e.must(e.load.UntilSent(ctx, requests))
}
