package kubelet

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEndpointsLag(t *testing.T) {
	h := create(t, testOptions(knownImages), withGate(webPod("app:v1")))
	for _, status := range []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse} {
		open := status == corev1.ConditionTrue
		h.settle()
		h.setGate(status)
		h.until("the pod is ready or not", func() bool { return h.ready() == open })
		at := h.world.Now()
		h.until("the slice follows", func() bool { return h.world.ServingEndpoints().Has(h.uid) == open })
		slice := h.world.Now().Sub(at)
		h.until("the proxy follows", func() bool { return h.world.ProxyEndpoints().Has(h.uid) == open })
		if proxy := h.world.Now().Sub(at); slice != 20*time.Millisecond || proxy != slice+time.Second {
			t.Errorf("ready %v: the slice followed after %s, the proxy after %s", open, slice, proxy)
		}
	}
}

func TestEndpointOfDeletedPod(t *testing.T) {
	pod := webPod("app:v1")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 10}}}
	h := start(t, testOptions(knownImages), pod)
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.wait(3 * time.Second)
	if !h.world.ServingEndpoints().Has(h.uid) || !h.world.ProxyEndpoints().Has(h.uid) {
		t.Error("a terminating pod serves while there is no other")
	}
	if _, err := h.world.Create(secondPod()); err != nil {
		t.Fatal(err)
	}
	h.until("the other pod gets traffic", func() bool { return h.world.ProxyEndpoints().Has(h.world.Pod("web-1").UID) })
	if h.world.ProxyEndpoints().Has(h.uid) {
		t.Error("a terminating pod gets traffic beside a ready one")
	}
	h.settle()
	if len(h.world.ServingEndpoints()) != 1 {
		t.Error("the endpoint outlived its pod")
	}
}

func secondPod() *corev1.Pod {
	pod := webPod("app:v1")
	pod.Name = "web-1"
	return pod
}

func TestPublishNotReadyAddresses(t *testing.T) {
	opts := testOptions(knownImages)
	opts.PublishNotReadyAddresses = true
	h := create(t, opts, withGate(webPod("app:v1")))
	h.settle()
	if h.world.ServingEndpoints().Has(h.uid) || !h.world.ProxyEndpoints().Has(h.uid) {
		t.Error("an unready pod is published, but does not serve")
	}
}

func TestCacheLags(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	cache := h.world.NewCache()
	expect := func(when string, generation, observed int64, restarts int32) {
		t.Helper()
		pod := cache.Pod(h.name)
		if pod.Generation != generation || pod.Status.ObservedGeneration != observed || pod.Status.ContainerStatuses[0].RestartCount != restarts {
			t.Errorf("%s the cache shows %s", when, h.describe(pod))
		}
	}
	cache.CatchUp()
	patchedAt := h.world.Now()
	h.setImage("web", "app:v2")
	expect("before it looks again", 1, 1, 0)
	h.wait(25 * time.Millisecond)
	cache.CatchUpBut(1)
	expect("without the newest event", 1, 1, 0)
	cache.CatchUpTo(patchedAt)
	expect("up to the patch", 2, 1, 0)
	h.settle()
	cache.CatchUpTo(patchedAt.Add(100 * time.Millisecond))
	expect("0.1 s later", 2, 2, 0)
	cache.CatchUp()
	expect("in the end", 2, 2, 1)
}

func TestCacheEqualsWorldInTheEnd(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	cache := h.world.NewCache()
	if len(cache.Pods()) != 0 || cache.Lag() == 0 {
		t.Error("a new cache knows something")
	}
	check := func() {
		t.Helper()
		cache.CatchUp()
		if cache.Lag() != 0 || !reflect.DeepEqual(cache.Pods(), h.world.Pods()) || !cache.ServingEndpoints().Equal(h.world.ServingEndpoints()) {
			t.Error("a cache that has seen everything differs from the world")
		}
	}
	check()
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.settle()
	check()
	if len(cache.Pods()) != 0 {
		t.Error("the cache keeps what is gone")
	}
}

func TestLostNode(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.world.LoseNode("node-0")
	h.setImage("web", "app:v2")
	h.wait(30 * time.Second)
	if image, _ := h.world.TrulyRuns(h.uid, "web"); image != "app:v1" || !h.ready() {
		t.Errorf("a lost kubelet acted: it runs %s, ready %v", image, h.ready())
	}
	h.wait(20 * time.Second)
	if h.ready() {
		t.Error("the pod of a lost node is still ready")
	}
	h.world.RestoreNode("node-0")
	h.until("the pod is ready with its new image", func() bool {
		return h.ready() && h.pod().Status.ContainerStatuses[0].RestartCount == 1
	})
	h.world.LoseNode("node-0")
	h.wait(400 * time.Second)
	if h.pod().DeletionTimestamp == nil {
		t.Error("the pod of a node lost for long is not deleted")
	}
	zero := int64(0)
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil || h.pod() != nil {
		t.Errorf("a forced deletion failed: %v", err)
	}
	h.wait(time.Second)
	if _, running := h.world.TrulyRuns(h.uid, "web"); !running {
		t.Error("the container ended, although its node knows of nothing")
	}
	h.world.RestoreNode("node-0")
	h.settle()
	if _, running := h.world.TrulyRuns(h.uid, "web"); running {
		t.Error("the container outlived its pod after the node was back")
	}
}

// What happens on a lost node is reported when it is back.
func TestLostNodeReportsLater(t *testing.T) {
	images := ImageTable{"app:v1": {CrashAfter: 20 * time.Second}}
	h := create(t, testOptions(images), webPod("app:v1"))
	h.until("the pod is ready", h.ready)
	h.world.LoseNode("node-0")
	h.wait(30 * time.Second)
	if h.world.Starts(h.uid, "web") != 2 || h.pod().Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the container was started %d times, the API shows %s", h.world.Starts(h.uid, "web"), h.describe(h.pod()))
	}
	h.world.RestoreNode("node-0")
	h.wait(time.Second)
	if h.pod().Status.ContainerStatuses[0].RestartCount != 1 {
		t.Errorf("the API shows %s", h.describe(h.pod()))
	}
}

// A node that comes back unchanged has its pods ready again by itself.
func TestNodeComesBack(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.world.LoseNode("node-0")
	h.wait(50 * time.Second)
	if nodes := h.world.Nodes(); nodes[0].Status.Conditions[0].Status != corev1.ConditionUnknown || h.ready() {
		t.Error("nobody noticed that the node was lost")
	}
	h.world.RestoreNode("node-0")
	h.until("the pod is ready again", h.ready)
}

func TestEvictedPod(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	h.world.EvictPod(h.name)
	h.settle()
	status := h.pod().Status
	if status.Phase != corev1.PodFailed || status.Reason != "Evicted" || h.ready() || len(h.world.ServingEndpoints()) != 0 {
		t.Errorf("the status is %v", status)
	}
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil || h.pod() != nil {
		t.Errorf("a failed pod is not deleted at once: %v", err)
	}
}

// Two worlds with the same options and calls tell the same story, another seed another one.
func TestSameSeedSameStory(t *testing.T) {
	run := func(seed uint64) string {
		opts := testOptions(knownImages)
		opts.Seed, opts.Nodes, opts.Timing.Jitter, opts.LateStatus, opts.LateStatusBy = seed, 3, 0.5, 0.3, time.Second
		w := NewWorld(opts)
		for i := range 5 {
			pod := webPod("app:v1")
			pod.Name = fmt.Sprintf("web-%d", i)
			if _, err := w.Create(pod); err != nil {
				t.Fatal(err)
			}
		}
		w.After(5*time.Second, func() {
			_, _ = w.EditPod("web-3", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "app:v2" })
		})
		w.AdvanceTo(w.Now().Add(time.Minute))
		story := ""
		for _, e := range w.Events(0) {
			story += fmt.Sprintln(e.At, e.Type, e.Pod, e.Endpoint)
		}
		return story
	}
	first, again := run(7), run(7)
	if first != again {
		t.Error("the same seed told another story")
	}
	if first == run(8) {
		t.Error("another seed told the same story")
	}
}

// BenchmarkRestart measures one pod's change of image, from patch to ready.
func BenchmarkRestart(b *testing.B) {
	w := NewWorld(testOptions(knownImages))
	pod, err := w.Create(webPod("app:v1"))
	if err != nil {
		b.Fatal(err)
	}
	w.AdvanceTo(w.Now().Add(time.Minute))
	images := []string{"app:v2", "app:v1"}
	for i := 0; b.Loop(); i++ {
		patch := fmt.Sprintf(`{"spec":{"containers":[{"name":"web","image":%q}]}}`, images[i%2])
		if _, err := w.Patch(pod.Name, "application/strategic-merge-patch+json", []byte(patch), ""); err != nil {
			b.Fatal(err)
		}
		w.AdvanceTo(w.Now().Add(time.Minute))
	}
}
