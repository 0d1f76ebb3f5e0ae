package inplace_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// onOldCluster returns the rollout of a pod in service on a cluster older than 1.34, which keeps no generation in the
// status of a pod, neither the kubelet's nor that of a condition.
func onOldCluster(t *testing.T) *rollout {
	r := serving(t, testpods.Container("web", "app:a"))
	r.old = true
	r.serve()
	return r
}

// update drains and patches the pod.
func (r *rollout) update(image string) {
	r.t.Helper()
	r.drain()
	r.expect(inplace.PhaseDraining)
	r.patch(image, map[string]string{"web": image})
	r.expect(inplace.PhaseRestarting, "web")
}

// done expects that the update is done, and has the pod be served.
func (r *rollout) done() {
	r.t.Helper()
	r.expect(inplace.PhaseRestarted)
	r.serve()
	r.expect(inplace.PhaseInService)
}

func TestUpdatesOnAnOldClusterFollowEachOther(t *testing.T) {
	r := onOldCluster(t)
	for n, image := range []string{"app:b", "app:c", "app:a"} {
		r.update(image)
		r.kubelet(run("web", n+2, image))
		r.done()
	}
}

// A pod whose update was confirmed, and that is drained for the next one and then not updated, is not taken for one that is
// still being updated, though it crashes in a loop.
func TestDrainThatIsGivenUpOnAnOldCluster(t *testing.T) {
	r := onOldCluster(t)
	r.update("app:b")
	r.kubelet(run("web", 2, "app:b"))
	r.done()
	r.drain()
	r.kubelet(waiting("web", "CrashLoopBackOff", "back-off"))
	r.restartProcess()
	r.expect(inplace.PhaseDraining)
	r.serve()
	r.expect(inplace.PhaseInService)
}

func TestAnotherTagOnAnOldCluster(t *testing.T) {
	r := onOldCluster(t)
	r.update("app:a-too")
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarting, "web")
	if wait := r.progress().Wait; wait != settling {
		t.Errorf("got a wait of %s, want %s", wait, settling)
	}
	r.wait(settling)
	r.done()
}

func TestThereAndBackOnAnOldCluster(t *testing.T) {
	r := onOldCluster(t)
	r.update("app:b")
	r.patch("a", map[string]string{"web": "app:a"})
	r.expect(inplace.PhaseRestarting, "web")
	r.wait(settling)
	r.done() // It was never replaced.
}

func TestFailedPullAndBackOnAnOldCluster(t *testing.T) {
	r := onOldCluster(t)
	r.update("app:bad")
	r.kubelet(waiting("web", "ErrImagePull", "not found"))
	r.wait(settling)
	r.expect(inplace.PhaseRestarting, "web")
	r.patch("a", map[string]string{"web": "app:a"})
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarting, "web") // It may be the bad image's, which could be pulled after all.
	r.wait(settling)
	r.done()
}

// The same where another node has told what the bad image is.
func TestWayBackIsQuickWhereDigestsAreKnown(t *testing.T) {
	r := onOldCluster(t)
	r.learn("app:a")
	r.learn("app:bad")
	r.update("app:bad")
	r.kubelet(run("web", 2, "app:bad"), waiting("web", "CrashLoopBackOff", "back-off"))
	r.patch("a", map[string]string{"web": "app:a"})
	r.kubelet(run("web", 3, "app:a"))
	r.done()
}

func TestUpdateInServiceOnAnOldCluster(t *testing.T) {
	r := onOldCluster(t)
	r.rules = inplace.Rules{"web": {NoDrain: true}}
	r.patch("b", map[string]string{"web": "app:b"})
	r.expectInService(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:b"))
	r.expectInService(inplace.PhaseRestarted)
	r.apply(inplace.ConfirmPatch(r.pod))
	r.update("app:c")
	r.kubelet(run("web", 3, "app:c"))
	r.done()
}

// Where nobody knows what the gate's last writer found, what is not confirmed is looked at.
func TestGateThatTellsNoGeneration(t *testing.T) {
	set := func(status corev1.ConditionStatus, reason, message string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
			gate.Status, gate.Reason, gate.Message, gate.ObservedGeneration = status, reason, message, 0
		}
	}
	tests := map[string]struct {
		gate func(*corev1.Pod)
		want inplace.Phase
	}{
		"a drain by an earlier release":      {set(corev1.ConditionFalse, "Draining", "taken out of service"), inplace.PhaseRestarting},
		"a drain with a number that is none": {set(corev1.ConditionFalse, "Draining", "out at generation two"), inplace.PhaseRestarting},
		"a drain at an earlier generation":   {set(corev1.ConditionFalse, "Draining", "out at generation 1"), inplace.PhaseRestarting},
		"a drain at this generation":         {set(corev1.ConditionFalse, "Draining", "out at generation 2"), inplace.PhaseDraining},
		"turned off by hand":                 {set(corev1.ConditionFalse, "InService", "may be sent traffic"), inplace.PhaseDraining},
		"turned on by an earlier release":    {set(corev1.ConditionTrue, "InService", "may be sent traffic"), inplace.PhaseInService},
		"turned on at this generation":       {set(corev1.ConditionTrue, "InService", "on at generation 2"), inplace.PhaseInService},
		"turned on at an earlier generation": {set(corev1.ConditionTrue, "InService", "on at generation 1"), inplace.PhaseRestarting},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := onOldCluster(t)
			r.update("app:b")
			r.kubelet(tt.gate)
			if got := r.progress().Phase; got != tt.want {
				t.Errorf("got phase %s, want %s", got, tt.want)
			}
		})
	}
}
