package kubelet

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestGracefulDeletion(t *testing.T) {
	pod := withSidecar(webPod("app:v1"), "proxy:v1")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}}
	h := start(t, testOptions(knownImages), pod)
	deleted, err := h.world.Delete(h.name, metav1.DeleteOptions{})
	if err != nil || deleted.Generation != 2 || deleted.DeletionTimestamp == nil {
		t.Fatalf("deletion returned %v, %v", deleted, err)
	}
	at := h.world.Now()
	h.wait(2 * time.Second)
	if _, running := h.world.TrulyRuns(h.uid, "web"); !running {
		t.Error("the container ended during its preStop sleep")
	}
	h.until("the pod is gone", func() bool { return h.pod() == nil })
	if took := h.world.Now().Sub(at); took < 3*time.Second || took > 4*time.Second {
		t.Errorf("the pod was gone after %s", took)
	}
	h.expect(
		"2/1 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:running,#1,p1,0 web:running,#2,d1,0 ready",
		"2/2 proxy:Completed,#1,p1,0 web:Completed,#2,d1,0 unready",
		"gone",
	)
}

func TestGracePeriodEndsInKill(t *testing.T) {
	h := start(t, testOptions(ImageTable{"app:v1": {Digest: "d1", StopTime: time.Hour}}), webPod("app:v1"))
	five := int64(5)
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{GracePeriodSeconds: &five}); err != nil {
		t.Fatal(err)
	}
	at := h.world.Now()
	h.settle()
	if took := h.world.Now().Sub(at); took < 5*time.Second || took > 7*time.Second {
		t.Errorf("the pod was gone after %s", took)
	}
	events := h.world.Events(0)
	for _, e := range events {
		if e.Pod != nil && e.Type == "DELETED" && e.Pod.Status.ContainerStatuses[0].State.Terminated.ExitCode != 137 {
			t.Error("the container was not killed")
		}
	}
}

func TestDeleteRules(t *testing.T) {
	w := NewWorld(testOptions(nil))
	pod, err := w.Create(webPod("app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, old := types.UID("x"), "0"
	for name, opts := range map[string]metav1.DeleteOptions{
		"uid":             {Preconditions: &metav1.Preconditions{UID: &stranger}},
		"resourceVersion": {Preconditions: &metav1.Preconditions{ResourceVersion: &old}},
	} {
		if _, err := w.Delete(pod.Name, opts); !apierrors.IsConflict(err) {
			t.Errorf("with another %s: %v", name, err)
		}
	}
	if _, err := w.Delete(pod.Name, metav1.DeleteOptions{}); err != nil || w.Pod(pod.Name) != nil {
		t.Errorf("a pod on no node is still there: %v", err)
	}
	if _, err := w.Delete(pod.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a pod that is gone: %v", err)
	}
}

func TestFinalizerHoldsPod(t *testing.T) {
	pod := webPod("app:v1")
	pod.Finalizers = []string{"example.com/hold"}
	h := start(t, testOptions(knownImages), pod)
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if h.pod() == nil {
		t.Fatal("the pod went in spite of its finalizer")
	}
	h.patch("", `{"metadata":{"finalizers":null}}`)
	if h.pod() != nil {
		t.Error("the pod stayed after its last finalizer")
	}
}
