package e2e

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// request has the web server ask for cpu or memory.
func request(name corev1.ResourceName, amount resource.Quantity) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		requests := &set.Spec.Template.Spec.Containers[0].Resources.Requests
		if *requests == nil {
			*requests = corev1.ResourceList{}
		}
		(*requests)[name] = amount
	}
}

func someCPU(w *framework.Workload) {
	w.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}
}

// untilReported waits for the kubelet's reports of what the web servers are to have: the view of the pods may be behind that of
// the CloneSet.
func (e *env) untilReported(name corev1.ResourceName, want resource.Quantity) {
	e.Helper()
	e.until(func() (bool, string) {
		for _, pod := range e.pods() {
			status := containerStatus(pod, framework.MainContainer)
			if status.Resources == nil || !status.Resources.Requests[name].Equal(want) {
				return false, fmt.Sprintf("the kubelet reports %+v for pod %s, want %s", status.Resources, pod.Name, &want)
			}
		}
		return true, ""
	})
}

// Another cpu reaches pods that run: nothing is restarted or drained, and each pod is written three times.
func TestCPUIsChangedInRunningPods(t *testing.T) {
	t.Parallel()
	e := newEnv(t, someCPU)
	before, since := e.pods(), e.gateSince()
	e.change(request(corev1.ResourceCPU, resource.MustParse("20m")))
	e.untilComplete()
	e.unchanged(before)
	e.untilReported(corev1.ResourceCPU, resource.MustParse("20m"))
	if diff := cmp.Diff(since, e.gateSince()); diff != "" {
		t.Errorf("pods were taken out of service:\n%s", diff)
	}
}

// What the node has no room for is deferred, with the pod serving as before, and goes on by itself when there is room.
func TestResizeThatDoesNotFitWaits(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(w *framework.Workload) {
		w.Replicas = 1
		w.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
	})
	before := e.pods()
	most := e.mostOfTheMemory()
	other := e.fill(most)
	e.change(request(corev1.ResourceMemory, most))
	e.untilSet("it is not deferred", func(set *appsv1beta1.CloneSet) bool {
		notes := set.Status.PodNotes
		return len(notes) == 1 && notes[0].Reason == appsv1beta1.NoteResizeDeferred
	})
	if status := e.view.CloneSet(app).Status; status.AvailableReplicas != 1 || status.UpdatedReplicas != 0 {
		t.Errorf("%d pods are available, %d updated", status.AvailableReplicas, status.UpdatedReplicas)
	}
	e.must(e.cluster.Client.Delete(e.ctx, other))
	e.untilComplete()
	e.unchanged(before)
	e.untilReported(corev1.ResourceMemory, most)
}

// mostOfTheMemory returns more than half of what a node has for requests.
func (e *env) mostOfTheMemory() resource.Quantity {
	e.Helper()
	nodes := &corev1.NodeList{}
	e.must(e.cluster.Client.List(e.ctx, nodes))
	const mebibyte = 1 << 20
	return *resource.NewQuantity(nodes.Items[0].Status.Allocatable.Memory().Value()/10*6/mebibyte*mebibyte, resource.BinarySI)
}

// fill has another pod ask for memory, and waits until it has it.
func (e *env) fill(memory resource.Quantity) *corev1.Pod {
	e.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: e.namespace, Labels: map[string]string{framework.AppLabel: "other"}}}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(1))
	pod.Spec.Containers = []corev1.Container{{
		Name: "other", Image: ref(toolsV1), Args: []string{"sidecar", "--listen=:9092"},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: memory}},
	}}
	e.must(e.cluster.Client.Create(e.ctx, pod))
	e.until(func() (bool, string) {
		for _, other := range e.view.Pods("other") {
			if other.Status.Phase == corev1.PodRunning {
				return true, ""
			}
		}
		return false, "the other pod does not run"
	})
	return pod
}
