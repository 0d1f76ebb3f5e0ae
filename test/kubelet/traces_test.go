package kubelet

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A -> B -> A before the kubelet looked: the generations are observed, but no restart ever comes.
func TestBackBeforeTheKubeletActed(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.setImage("web", "app:v2")
	h.setImage("web", "app:v1")
	h.settle()
	h.expect(
		"2/1 web:running,#1,d1,0 ready",
		"3/1 web:running,#1,d1,0 ready",
		"3/3 web:running,#1,d1,0 ready",
	)
}

// A -> B with a slow pull -> C: at C's generation B's container shows up, new and running, moments before it is replaced.
func TestNextImageDuringSlowPull(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.setImage("web", "app:slow")
	h.wait(5 * time.Second)
	h.setImage("web", "app:v2")
	h.settle()
	h.expect(
		"2/1 web:running,#1,d1,0 ready",
		"2/2 web:running,#1,d1,0 ready",
		"2/2 web:running,#1,d1,0 unready", // the readiness probe notices the killed container
		"3/2 web:running,#1,d1,0 unready",
		"3/3 web:running,#2,slow,1 unready",
		"3/3 web:running,#2,slow,1 ready",
		"3/3 web:running,#3,d2,2 unready",
		"3/3 web:running,#3,d2,2 ready",
	)
}

// Without a readiness probe the pod stays ready in the API for as long as the pull takes.
func TestNoProbeNoNews(t *testing.T) {
	pod := webPod("app:v1")
	pod.Spec.Containers[0].ReadinessProbe = nil
	h := start(t, testOptions(knownImages), pod)
	h.setImage("web", "app:slow")
	h.wait(15 * time.Second)
	if _, running := h.world.TrulyRuns(h.uid, "web"); running || !h.ready() {
		t.Errorf("running %v, ready %v; want a dead container in a ready pod", running, h.ready())
	}
	h.settle()
	h.expect(
		"2/1 web:running,#1,d1,0 ready",
		"2/2 web:running,#1,d1,0 ready",
		"2/2 web:running,#2,slow,1 ready",
	)
}

// A gate that changes while the worker pulls is followed when it is done, a deletion likewise.
func TestBlockedWorker(t *testing.T) {
	pod := withGate(webPod("app:v1"))
	pod.Spec.Containers[0].ReadinessProbe = nil
	h := create(t, testOptions(knownImages), pod)
	h.setGate(corev1.ConditionTrue)
	h.until("the pod is ready", h.ready)
	h.setImage("web", "app:slow")
	h.wait(5 * time.Second)
	h.setGate(corev1.ConditionFalse)
	h.wait(10 * time.Second)
	if !h.ready() {
		t.Error("the gate was followed during the pull")
	}
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.wait(4 * time.Second)
	if got := h.pod().Status.ObservedGeneration; got != 2 {
		t.Errorf("generation %d was observed during the pull", got)
	}
	h.settle()
	if h.pod() != nil {
		t.Error("the pod is still there")
	}
}

// A status that is overtaken before it was sent is never seen.
func TestCoalescedStatus(t *testing.T) {
	opts := testOptions(knownImages)
	opts.LateStatus, opts.LateStatusBy = 1, 2*time.Second
	h := start(t, opts, webPod("app:v1"))
	h.setImage("web", "app:v2")
	h.settle()
	h.expect(
		"2/1 web:running,#1,d1,0 ready",
		"2/2 web:running,#2,d2,1 ready",
	)
}

func TestOlderKubelet(t *testing.T) {
	opts := testOptions(knownImages)
	opts.NoObservedGeneration = true
	h := start(t, opts, webPod("app:v1"))
	h.setImage("web", "app:v2")
	h.settle()
	h.expect(
		"2/0 web:running,#1,d1,0 ready",
		"2/0 web:running,#2,d2,1 unready",
		"2/0 web:running,#2,d2,1 ready",
	)
}

// Several containers changed by one patch are all killed before the first of them is started again.
func TestAllKillsBeforeAnyStart(t *testing.T) {
	pod := webPod("app:v1")
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "other", Image: "app:v1"})
	h := start(t, testOptions(knownImages), pod)
	h.patch("", `{"spec":{"containers":[{"name":"web","image":"app:slow"},{"name":"other","image":"app:v2"}]}}`)
	h.wait(10 * time.Second)
	_, web := h.world.TrulyRuns(h.uid, "web")
	_, other := h.world.TrulyRuns(h.uid, "other")
	if web || other {
		t.Errorf("web runs: %v, other runs: %v; want both to wait for web's pull", web, other)
	}
	h.settle()
	if image, _ := h.world.TrulyRuns(h.uid, "other"); image != "app:v2" {
		t.Errorf("other runs %q in the end", image)
	}
}

func TestInitContainersInOrder(t *testing.T) {
	images := ImageTable{"work:v1": {RunTime: 4 * time.Second}, "proxy:v1": {ReadyDelay: 3 * time.Second}}
	pod := webPod("app:v1")
	pod.Spec.InitContainers = []corev1.Container{{Name: "work", Image: "work:v1"}}
	withSidecar(pod, "proxy:v1")
	pod.Spec.InitContainers[1].StartupProbe = &corev1.Probe{}
	h := create(t, testOptions(images), pod)
	var order []string
	h.until("the pod is ready", func() bool {
		for _, c := range []string{"work", "proxy", "web"} {
			if _, running := h.world.TrulyRuns(h.uid, c); running && (len(order) == 0 || order[len(order)-1] != c) {
				order = append(order, c)
			}
		}
		return h.ready()
	})
	if took := h.world.Now().Sub(testStart); took < 7*time.Second || took > 10*time.Second {
		t.Errorf("the pod was ready after %s; its init containers take 7s", took)
	}
	settled := h.pod()
	h.setImage("work", "work:v2")
	h.settle()
	if before, after := settled.Status.InitContainerStatuses[0], h.pod().Status.InitContainerStatuses[0]; before.ContainerID != after.ContainerID {
		t.Errorf("an init container that is done was started again: %v", after)
	}
	if h.pod().Status.ObservedGeneration != 2 {
		t.Error("the change of an init container's image is not observed")
	}
}
