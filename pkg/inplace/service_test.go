package inplace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// shipper returns the rollout of a pod in service whose log shipper needs no drain.
func shipper(t *testing.T) *rollout {
	r := serving(t, testpods.Container("app", "app:1"), testpods.Container("log", "log:1"))
	r.rules = inplace.Rules{"log": {NoDrain: true}}
	return r
}

// expectInService fails the test unless the pod is so far with its gate on.
func (r *rollout) expectInService(phase inplace.Phase, unconfirmed ...string) {
	r.t.Helper()
	r.expect(phase, unconfirmed...)
	if !r.progress().InService {
		r.t.Fatal("the gate is off")
	}
}

func TestUpdateInService(t *testing.T) {
	r := shipper(t)
	r.expectInService(inplace.PhaseInService)
	r.patch("b", map[string]string{"log": "log:2"})
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(testpods.Observe)
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(run("log", 2, "log:2"))
	r.expectInService(inplace.PhaseRestarted)
	r.apply(inplace.ConfirmPatch(r.pod))
	r.expectInService(inplace.PhaseInService)
	r.restartProcess()
	r.expectInService(inplace.PhaseInService)
	r.drain()
	r.expect(inplace.PhaseDraining)
}

func TestConfirmPatch(t *testing.T) {
	r := shipper(t)
	r.patch("b", map[string]string{"log": "log:2"})
	r.kubelet(testpods.Observe, run("log", 2, "log:2"))
	equalJSON(t, `{"metadata": {"uid": "uid-web-a", "resourceVersion": "101", "annotations": {"apps.insitu.dev/inplace-state":
		"{\"version\":1,\"revision\":\"b\",\"generation\":2,\"records\":[{\"name\":\"log\",\"image\":\"log:1\",\"imageID\":\"`+
		testpods.ImageID("log:1")+`\",\"containerID\":\"cri://log-1\",\"done\":true}]}"}}}`, inplace.ConfirmPatch(r.pod))
	if left := inplace.CrashedLeft(r.pod, r.now); left != 0 {
		t.Errorf("the restart counts as a crash for %s", left)
	}
	r.apply(inplace.ConfirmPatch(r.pod))
	if left := inplace.CrashedLeft(r.pod, r.now); left != 0 {
		t.Errorf("the restart counts as a crash for %s, once it is confirmed", left)
	}
}

// A pod that nobody patched, or whose state is broken, can be confirmed like any other.
func TestConfirmPatchOfAnyPod(t *testing.T) {
	for name, state := range map[string]string{"none": "", "broken": "{", "of a later version": `{"version":9}`} {
		t.Run(name, func(t *testing.T) {
			r := shipper(t)
			r.kubelet(func(pod *corev1.Pod) { pod.Annotations = annotated(state).Annotations })
			r.apply(inplace.ConfirmPatch(r.pod))
			r.expectInService(inplace.PhaseInService)
		})
	}
}

// In service, too, the containers go one priority after the other.
func TestBatchesInService(t *testing.T) {
	r := shipper(t)
	r.rules = inplace.Rules{"log": {NoDrain: true}, "app": {NoDrain: true, Priority: 1}}
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.expectInService(inplace.PhaseRestarting, "app")
	r.expectPending(false, "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.expectInService(inplace.PhaseRestarting)
	r.expectPending(true, "log")
	r.goOn()
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("log", 2, "log:2"))
	r.expectInService(inplace.PhaseRestarted)
}

// A later revision that needs a drain drains the pod in the middle of an update in service; nothing of it is forgotten.
func TestDrainInTheMiddleOfAnUpdateInService(t *testing.T) {
	r := shipper(t)
	r.patch("b", map[string]string{"log": "log:2"})
	r.kubelet(testpods.Observe, waiting("log", "ErrImagePull", "not found"))
	r.drain()
	r.expect(inplace.PhaseDraining, "log")
	r.patch("c", map[string]string{"app": "app:3"})
	r.expect(inplace.PhaseRestarting, "log", "app")
	if r.progress().InService {
		t.Error("the pod is drained and told to be in service")
	}
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:3"), run("log", 2, "log:2"))
	r.expect(inplace.PhaseRestarted)
	r.serve()
	r.expectInService(inplace.PhaseInService)
}

// The drain is given up, or the pod is labelled only: the update in service goes on.
func TestUpdateInServiceOutlivesADrain(t *testing.T) {
	r := shipper(t)
	r.patch("b", map[string]string{"log": "log:2"})
	r.drain()
	r.patch("c", nil)
	r.expect(inplace.PhaseDraining, "log")
	r.serve()
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(testpods.Observe, run("log", 2, "log:2"))
	r.expectInService(inplace.PhaseRestarted)
}

func TestNewerRevisionOfAnUpdateInService(t *testing.T) {
	r := shipper(t)
	r.patch("b", map[string]string{"log": "log:2"})
	r.kubelet(testpods.Observe)
	r.patch("c", map[string]string{"log": "log:3"})
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(testpods.Observe, run("log", 2, "log:2"))
	r.expectInService(inplace.PhaseRestarting, "log")
	r.kubelet(run("log", 3, "log:3"))
	r.expectInService(inplace.PhaseRestarted)
	r.patch("d", nil) // It ends the update, since it finds it done.
	r.expectInService(inplace.PhaseInService)
}

// What runs on a pod in service teaches nothing of images while it was not confirmed.
func TestKnownDigestsOfAnUpdateInService(t *testing.T) {
	r := shipper(t)
	r.patch("b", map[string]string{"log": "log:2"})
	r.kubelet(testpods.Observe)
	app := inplace.Digest(testpods.ImageID("app:1"))
	want := map[string][]string{"app:1": {app}}
	if diff := cmp.Diff(want, inplace.KnownDigests([]*corev1.Pod{r.pod})); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
	r.kubelet(run("log", 2, "log:2"))
	r.apply(inplace.ConfirmPatch(r.pod))
	want["log:2"] = []string{inplace.Digest(testpods.ImageID("log:2"))}
	if diff := cmp.Diff(want, inplace.KnownDigests([]*corev1.Pod{r.pod})); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
}

// A process that has lost its lease may turn on the gate of a pod late, which was patched since.
func TestGateTurnedOnTooLateConfirmsNothing(t *testing.T) {
	for _, old := range []bool{false, true} {
		r := drained(t, testpods.Container("app", "app:1"))
		r.old = old
		late := inplace.ServePatch(r.pod, r.now)
		r.drain()
		r.patch("b", map[string]string{"app": "app:1-too"})
		r.apply(late)
		r.expectInService(inplace.PhaseRestarting, "app")
		r.kubelet(testpods.Observe, run("app", 2, "app:1"))
		r.wait(settling)
		r.expectInService(inplace.PhaseRestarted)
		r.apply(inplace.ConfirmPatch(r.pod))
		r.expectInService(inplace.PhaseInService)
	}
}

// The same with a drain that comes late: what was patched is not forgotten.
func TestDrainThatComesTooLateForgetsNothing(t *testing.T) {
	for _, old := range []bool{false, true} {
		r := serving(t, testpods.Container("app", "app:1"))
		r.old = old
		late := inplace.DrainPatch(r.pod, "for a test", "", r.now)
		r.drain()
		r.patch("b", map[string]string{"app": "app:2"})
		r.wait(time.Minute)
		r.apply(late)
		r.expect(inplace.PhaseRestarting, "app")
	}
}

func TestIsOpen(t *testing.T) {
	r := shipper(t)
	expect := func(want bool) {
		t.Helper()
		if got := inplace.IsOpen(r.pod); got != want {
			t.Fatalf("got %t, want %t", got, want)
		}
	}
	expect(false)
	r.patch("b", map[string]string{"log": "log:2"})
	expect(true)
	r.apply(inplace.ConfirmPatch(r.pod))
	expect(false)
	r.drain()
	expect(false)
	r.rules = inplace.Rules{"app": {Priority: 1}}
	r.patch("c", map[string]string{"app": "app:3", "log": "log:3"})
	expect(true)
	r.kubelet(testpods.Observe, run("app", 2, "app:3"))
	r.serve()
	expect(true) // The log shipper is pending.
}
