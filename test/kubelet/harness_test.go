package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

const (
	gate  = corev1.PodConditionType("InPlaceUpdateReady")
	limit = time.Hour
)

var testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// harness is a world with one pod in it, and the story of that pod as its API objects tell it.
type harness struct {
	t     *testing.T
	world *World
	name  string
	uid   types.UID
	from  uint64
}

func testOptions(images ImageModel) WorldOptions {
	return WorldOptions{
		Options:  Options{Seed: 1, Images: images, Timing: MeasuredTiming()},
		Nodes:    1,
		Selector: labels.SelectorFromSet(labels.Set{"app": "web"}),
	}
}

// start runs the pod until it is ready, and begins the story after that.
func start(t *testing.T, opts WorldOptions, pod *corev1.Pod) *harness {
	t.Helper()
	h := create(t, opts, pod)
	h.until("the pod is ready", func() bool { return h.ready() })
	h.settle()
	h.from = uint64(len(h.world.Events(0)))
	return h
}

func create(t *testing.T, opts WorldOptions, pod *corev1.Pod) *harness {
	t.Helper()
	w := NewWorld(opts)
	created, err := w.Create(pod)
	if err != nil {
		t.Fatal(err)
	}
	return &harness{t: t, world: w, name: pod.Name, uid: created.UID}
}

// settle lets everything happen that is under way.
func (h *harness) settle() {
	for {
		if _, more := h.world.Advance(); !more {
			return
		}
	}
}

// wait lets time pass.
func (h *harness) wait(d time.Duration) { h.world.AdvanceTo(h.world.Now().Add(d)) }

func (h *harness) until(what string, done func() bool) {
	h.t.Helper()
	if !h.world.AdvanceUntil(limit, done) {
		h.t.Fatalf("it never came to pass that %s; the pod is %s", what, h.describe(h.pod()))
	}
}

func (h *harness) pod() *corev1.Pod { return h.world.Pod(h.name) }

func (h *harness) ready() bool {
	return conditionStatus(h.pod().Status.Conditions, corev1.PodReady) == corev1.ConditionTrue
}

func (h *harness) setImage(container, image string) *corev1.Pod {
	h.t.Helper()
	list := "containers"
	for _, c := range h.pod().Spec.InitContainers {
		if c.Name == container {
			list = "initContainers"
		}
	}
	return h.patch("", fmt.Sprintf(`{"spec":{%q:[{"name":%q,"image":%q}]}}`, list, container, image))
}

func (h *harness) setGate(status corev1.ConditionStatus) *corev1.Pod {
	h.t.Helper()
	return h.patch("status", fmt.Sprintf(`{"status":{"conditions":[{"type":%q,"status":%q}]}}`, gate, status))
}

func (h *harness) patch(subresource, patch string) *corev1.Pod {
	h.t.Helper()
	pod, err := h.world.Patch(h.name, types.StrategicMergePatchType, []byte(patch), subresource)
	if err != nil {
		h.t.Fatal(err)
	}
	return pod
}

// story tells what the pod's objects have shown since the pod was first ready, one line for each change.
func (h *harness) story() []string {
	var lines []string
	for _, e := range h.world.Events(h.from) {
		if e.Pod == nil || e.Pod.UID != h.uid {
			continue
		}
		line := h.describe(e.Pod)
		if e.Type == "DELETED" {
			line = "gone"
		}
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	return lines
}

// describe writes generation/observedGeneration, then for each container its state, the number of its instance in the
// order of appearance, the image it reports and the restart count, and whether the pod is ready.
func (h *harness) describe(pod *corev1.Pod) string {
	if pod == nil {
		return "gone"
	}
	parts := []string{fmt.Sprintf("%d/%d", pod.Generation, pod.Status.ObservedGeneration)}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		_, digest, _ := strings.Cut(c.ImageID, "@")
		parts = append(parts, fmt.Sprintf("%s:%s,%s,%s,%d", c.Name, stateOf(c.State), h.instance(c.ContainerID), digest, c.RestartCount))
	}
	ready := "unready"
	if conditionStatus(pod.Status.Conditions, corev1.PodReady) == corev1.ConditionTrue {
		ready = "ready"
	}
	return strings.Join(append(parts, ready), " ")
}

func stateOf(s corev1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running"
	case s.Terminated != nil:
		return s.Terminated.Reason
	}
	return s.Waiting.Reason
}

// instance numbers a container ID by when it was first seen, over all containers of the pod.
func (h *harness) instance(id string) string {
	if id == "" {
		return "-"
	}
	var seen []string
	for _, e := range h.world.Events(0) {
		if e.Pod == nil {
			continue
		}
		for _, c := range slices.Concat(e.Pod.Status.InitContainerStatuses, e.Pod.Status.ContainerStatuses) {
			if c.ContainerID != "" && !slices.Contains(seen, c.ContainerID) {
				seen = append(seen, c.ContainerID)
			}
		}
	}
	return fmt.Sprintf("#%d", slices.Index(seen, id)+1)
}

func (h *harness) expect(want ...string) {
	h.t.Helper()
	if got := h.story(); !slices.Equal(got, want) {
		h.t.Errorf("the pod showed\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// webPod has one container with a readiness probe; tests add what they need.
func webPod(image string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-0", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "web", Image: image, ReadinessProbe: &corev1.Probe{FailureThreshold: 3, PeriodSeconds: 1},
		}}},
	}
}

func withSidecar(pod *corev1.Pod, image string) *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "proxy", Image: image, RestartPolicy: &always})
	return pod
}

func withGate(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: gate}}
	return pod
}
