package kubelet

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// starts returns the times between the starts of the container, up to a number of them.
func (h *harness) starts(n int) []time.Duration {
	h.t.Helper()
	var gaps []time.Duration
	last := time.Time{}
	for seen := h.world.Starts(h.uid, "web"); len(gaps) < n; {
		h.until("the container starts again", func() bool { return h.world.Starts(h.uid, "web") > seen })
		seen = h.world.Starts(h.uid, "web")
		if !last.IsZero() {
			gaps = append(gaps, h.world.Now().Sub(last).Truncate(time.Second))
		}
		last = h.world.Now()
	}
	return gaps
}

func TestCrashLoopBacksOff(t *testing.T) {
	h := create(t, testOptions(knownImages), webPod("app:crash"))
	want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 300 * time.Second, 300 * time.Second}
	for i, got := range h.starts(len(want)) {
		if got < want[i] || got > want[i]*3/2+2*time.Second {
			t.Errorf("wait %d between starts is %v, not %v to half as much again", i, got, want[i])
		}
	}
	h.until("the kubelet tells of the back-off", func() bool {
		return stateOf(h.pod().Status.ContainerStatuses[0].State) == "CrashLoopBackOff"
	})
	c := h.pod().Status.ContainerStatuses[0]
	if c.LastTerminationState.Terminated == nil || c.LastTerminationState.Terminated.ExitCode != 1 {
		t.Errorf("the status is %v", c)
	}
	if h.pod().Status.Phase != corev1.PodRunning {
		t.Errorf("the phase is %s", h.pod().Status.Phase)
	}
}

func TestOtherImageEndsBackOff(t *testing.T) {
	h := create(t, testOptions(knownImages), webPod("app:crash"))
	h.starts(4)
	h.wait(5 * time.Second)
	patched := h.world.Now()
	h.setImage("web", "app:v1")
	h.until("the pod is ready", h.ready)
	if took := h.world.Now().Sub(patched); took > time.Second {
		t.Errorf("the good image was ready after %s", took)
	}
	h.settle()
	patched = h.world.Now()
	h.setImage("web", "app:crash")
	h.wait(time.Second)
	if h.world.Starts(h.uid, "web") != 7 {
		t.Error("an image that replaces a running one was not started at once")
	}
	h.until("the bad image is back in its back-off", func() bool {
		return stateOf(h.pod().Status.ContainerStatuses[0].State) == "CrashLoopBackOff"
	})
	h.until("it starts again", func() bool { _, running := h.world.TrulyRuns(h.uid, "web"); return running })
	if took := h.world.Now().Sub(patched); took < 40*time.Second {
		t.Errorf("after %s the image that had crashed before started over; its back-off was 40s", took)
	}
}

// What came in during a pull that fails is acted on at once, without the wait after a failure.
func TestGoodImageDuringFailingPull(t *testing.T) {
	images := ImageTable{"app:bad": {PullTime: 20 * time.Second, PullError: "timeout"}}
	h := start(t, testOptions(images), webPod("app:v1"))
	patched := h.world.Now()
	h.setImage("web", "app:bad")
	h.wait(5 * time.Second)
	h.setImage("web", "app:v1")
	h.until("the pod is ready", func() bool { return h.ready() && h.pod().Status.ObservedGeneration == 3 })
	if took := h.world.Now().Sub(patched); took < 20*time.Second || took > 20*time.Second+700*time.Millisecond {
		t.Errorf("the pod was back after %s", took)
	}
}

func TestPullErrorOfNewPod(t *testing.T) {
	images := ImageTable{"app:late": {PullError: "not found", PullErrorUntil: testStart.Add(25 * time.Second)}}
	h := create(t, testOptions(images), webPod("app:late"))
	h.until("the pod is ready", h.ready)
	if took := h.world.Now().Sub(testStart); took < 30*time.Second || took > 48*time.Second {
		t.Errorf("the pod was ready after %s; the third pull comes after 10 s and 20 s of back-off, each up to half as much longer", took)
	}
	var reasons []string
	for _, e := range h.world.Events(0) {
		if e.Pod == nil || len(e.Pod.Status.ContainerStatuses) == 0 {
			continue
		}
		if reason := stateOf(e.Pod.Status.ContainerStatuses[0].State); len(reasons) == 0 || reasons[len(reasons)-1] != reason {
			reasons = append(reasons, reason)
		}
	}
	want := []string{"ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff", "running"}
	if !slices.Equal(reasons, want) {
		t.Errorf("the container was %v, not %v", reasons, want)
	}
}

// An image that is on the node needs no registry, unless the pod insists.
func TestPullPolicy(t *testing.T) {
	for policy, want := range map[corev1.PullPolicy]string{corev1.PullIfNotPresent: "running", corev1.PullAlways: "ErrImagePull"} {
		images := ImageTable{"app:v2": {PullError: "registry is down", PullErrorUntil: testStart}}
		h := start(t, testOptions(images), webPod("app:v2"))
		h.setImage("web", "app:v1")
		h.settle()
		images["app:v2"] = Image{PullError: "registry is down"}
		edited := webPod("app:v1")
		edited.Name, edited.Spec.Containers[0].Image, edited.Spec.Containers[0].ImagePullPolicy = "web-1", "app:v2", policy
		if _, err := h.world.Create(edited); err != nil {
			t.Fatal(err)
		}
		h.wait(1500 * time.Millisecond)
		if got := stateOf(h.world.Pod("web-1").Status.ContainerStatuses[0].State); got != want {
			t.Errorf("with %s the container is %s, not %s", policy, got, want)
		}
	}
}
