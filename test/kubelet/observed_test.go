package kubelet

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// knownImages are short digests, so that stories can be read; v2 and v2-again are two tags of one image.
var knownImages = ImageTable{
	"app:v1": {Digest: "d1"}, "app:v2": {Digest: "d2"}, "app:v2-again": {Digest: "d2"}, "app:v3": {Digest: "d3"},
	"app@d2": {Digest: "d2"}, "app:v2@d2": {Digest: "d2"},
	"proxy:v1": {Digest: "p1"}, "proxy:v2": {Digest: "p2"},
	"app:missing": {Digest: "none", PullError: "not found"},
	"app:nocmd":   {Digest: "d4", StartError: "no such file"},
	"app:slow":    {Digest: "slow", PullTime: 20 * time.Second},
	"app:crash":   {Digest: "crash", CrashAfter: 200 * time.Millisecond},
}

// These are the transitions seen on a real node.

func TestImageChange(t *testing.T) {
	h := start(t, testOptions(knownImages), withSidecar(webPod("app:v1"), "proxy:v1"))
	ip, began := h.pod().Status.PodIP, h.world.Now()
	h.setImage("web", "app:v2")
	h.until("generation 2 is observed", func() bool { return h.pod().Status.ObservedGeneration == 2 })
	if took := h.world.Now().Sub(began); took != 30*time.Millisecond {
		t.Errorf("the generation was observed after %s, not 30ms", took)
	}
	h.settle()
	h.expect(
		"2/1 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:running,#1,p1,0 web:running,#3,d2,1 unready",
		"2/2 proxy:running,#1,p1,0 web:running,#3,d2,1 ready",
	)
	if h.pod().Status.PodIP != ip || h.pod().UID != h.uid {
		t.Error("the pod lost its IP or UID")
	}
	last := h.pod().Status.ContainerStatuses[0].LastTerminationState.Terminated
	if last == nil || h.instance(last.ContainerID) != "#2" {
		t.Errorf("lastState is %v, not the end of the old container", last)
	}
}

func TestOtherTagOfSameImage(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v2"))
	h.setImage("web", "app:v2-again")
	h.settle()
	h.expect(
		"2/1 web:running,#1,d2,0 ready",
		"2/2 web:running,#1,d2,0 ready",
		"2/2 web:running,#2,d2,1 unready",
		"2/2 web:running,#2,d2,1 ready",
	)
	if image := h.pod().Status.ContainerStatuses[0].Image; image != "docker.io/library/app:v2" {
		t.Errorf("the status names %s, not the first tag of the digest", image)
	}
}

func TestSidecarImage(t *testing.T) {
	pod := withSidecar(webPod("app:v1"), "proxy:v1")
	h := start(t, testOptions(knownImages), pod)
	h.setImage("proxy", "proxy:v2")
	h.settle()
	h.expect(
		"2/1 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:running,#3,p2,1 web:running,#2,d1,0 ready",
	)
}

func TestMissingImageAndBack(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.setImage("web", "app:missing")
	h.until("the pull fails", func() bool { return stateOf(h.pod().Status.ContainerStatuses[0].State) == "ErrImagePull" })
	if _, running := h.world.TrulyRuns(h.uid, "web"); running {
		t.Error("the old container runs, although it is killed before the pull")
	}
	h.until("the pod is in back-off", func() bool {
		return stateOf(h.pod().Status.ContainerStatuses[0].State) == "CrashLoopBackOff"
	})
	h.setImage("web", "app:v1")
	h.settle()
	h.expect(
		"2/1 web:running,#1,d1,0 ready",
		"2/2 web:running,#1,d1,0 ready",
		"2/2 web:ErrImagePull,#1,d1,0 unready",
		"2/2 web:ImagePullBackOff,#1,d1,0 unready",
		"2/2 web:CrashLoopBackOff,#1,d1,0 unready",
		"3/2 web:CrashLoopBackOff,#1,d1,0 unready",
		"3/3 web:ErrImagePull,#1,d1,0 unready",
		"3/3 web:running,#2,d1,1 unready",
		"3/3 web:running,#2,d1,1 ready",
	)
}

func TestDigestReferencesRestart(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v2"))
	for _, image := range []string{"app@d2", "app:v2@d2"} {
		before := h.pod().Status.ContainerStatuses[0]
		h.setImage("web", image)
		h.settle()
		after := h.pod().Status.ContainerStatuses[0]
		if after.ContainerID == before.ContainerID || after.ImageID != before.ImageID || after.RestartCount != before.RestartCount+1 {
			t.Errorf("%s: from %v to %v; want another container of the same image", image, before, after)
		}
	}
}

func TestPodThatNeverRestarts(t *testing.T) {
	for image, want := range map[string][]string{
		"app:nocmd":   {"1/0 unready", "1/1 web:ContainerCreating,-,,0 unready", "1/1 web:StartError,#1,d4,0 unready"},
		"app:missing": {"1/0 unready", "1/1 web:ContainerCreating,-,,0 unready", "1/1 web:ErrImagePull,-,,0 unready"},
	} {
		pod := webPod(image)
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		h := create(t, testOptions(knownImages), pod)
		h.wait(1500 * time.Millisecond)
		h.expect(want...)
		if failed := h.pod().Status.Phase == corev1.PodFailed; failed != (image == "app:nocmd") {
			t.Errorf("%s: the phase is %s", image, h.pod().Status.Phase)
		}
	}
}

func TestGate(t *testing.T) {
	h := create(t, testOptions(knownImages), withGate(webPod("app:v1")))
	h.until("the container is ready", func() bool {
		return conditionStatus(h.pod().Status.Conditions, corev1.ContainersReady) == corev1.ConditionTrue
	})
	if h.ready() {
		t.Fatal("ready without its gate")
	}
	for _, status := range []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse} {
		set := h.world.Now()
		h.setGate(status)
		h.until("the pod follows its gate", func() bool { return h.ready() == (status == corev1.ConditionTrue) })
		if took := h.world.Now().Sub(set); took != 30*time.Millisecond {
			t.Errorf("the pod followed its gate after %s, not 30ms", took)
		}
		if got := conditionStatus(h.pod().Status.Conditions, gate); got != status {
			t.Errorf("the kubelet made the gate %s", got)
		}
	}
	for _, c := range h.pod().Status.Conditions {
		if c.Type == corev1.PodReady && c.Reason != "ReadinessGatesNotReady" {
			t.Errorf("the reason is %s", c.Reason)
		}
	}
}
