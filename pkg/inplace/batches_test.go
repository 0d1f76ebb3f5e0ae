package inplace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// ordered returns the rollout of a drained pod whose proxy goes before its app, and that before its log shipper.
func ordered(t *testing.T) *rollout {
	r := drained(t, testpods.Sidecar("proxy", "proxy:1"), testpods.Container("app", "app:1"), testpods.Container("log", "log:1"))
	r.rules = inplace.Rules{"proxy": {Priority: 10}, "log": {Priority: -1}}
	return r
}

func TestContainersArePatchedByPriority(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:1", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "proxy")
	r.expectPending(false, "app", "log")

	r.kubelet(testpods.Observe)
	r.expectPending(false, "app", "log")
	r.kubelet(run("proxy", 2, "proxy:2"))
	r.expect(inplace.PhaseRestarting)
	r.expectPending(true, "app", "log")

	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:1"})
	r.expectPending(false, "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.expectPending(true, "log")

	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.expect(inplace.PhaseRestarting, "log")
	r.expectPending(false)
	r.kubelet(testpods.Observe)
	r.kubelet(run("log", 2, "log:2"))
	r.expect(inplace.PhaseRestarted)
}

// No container starts before a native sidecar has, so that one that is down is not kept waiting for others.
func TestSidecarThatIsDownWaitsForNothing(t *testing.T) {
	r := ordered(t)
	r.rules = inplace.Rules{"app": {Priority: 10}}
	r.kubelet(waiting("proxy", "ImagePullBackOff", "not found"))
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:1"})
	r.expectPending(false, "log")
}

// The same where it goes down while it waits.
func TestSidecarThatGoesDownWaitsNoLonger(t *testing.T) {
	r := ordered(t)
	r.rules = inplace.Rules{"app": {Priority: 10}}
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2"})
	r.expectPending(false, "proxy")
	r.kubelet(testpods.Observe, waiting("proxy", "CrashLoopBackOff", "back-off"))
	r.expectPending(true, "proxy")
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:1"})
}

func TestContainersOfOnePriorityArePatchedTogether(t *testing.T) {
	r := ordered(t)
	r.rules = inplace.Rules{"proxy": {Priority: -7}, "app": {Priority: -7}, "log": {Priority: -8}}
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "proxy", "app")
	r.expectPending(false, "log")
}

// The next ones wait for what is ready, not only for what runs; of a native sidecar, for its start too.
func TestNextBatchWaitsUntilTheFirstIsReady(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("proxy", 2, "proxy:2"), ready("proxy", false, false))
	r.expect(inplace.PhaseRestarting)
	r.expectPending(false, "log")
	r.kubelet(ready("proxy", true, false))
	r.expectPending(false, "log")
	r.kubelet(ready("proxy", true, true))
	r.expectPending(true, "log")
}

// What was ready and is not any more holds up the last batch as well.
func TestEveryEarlierBatchHasToBeReady(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("proxy", 2, "proxy:2"))
	r.goOn()
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"), ready("proxy", false, true))
	r.expectPending(false, "log")
	r.kubelet(ready("proxy", true, true))
	r.expectPending(true, "log")
}

// Without others that wait for it, a container that is not ready is the kubelet's affair: the pod is not ready.
func TestReadinessIsNotWaitedForWithoutPendingContainers(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"), ready("app", false, true))
	r.expect(inplace.PhaseRestarted)
}

// A patch that comes too early lets nothing overtake.
func TestPatchAheadOfTimeChangesNothing(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:1", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "proxy")
	r.expectPending(false, "log")
	r.kubelet(run("proxy", 2, "proxy:2"), ready("proxy", false, true))
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:2", "app": "app:1", "log": "log:1"})
	r.expectPending(false, "log")
}

// Every write may be the last one of a process: the next one goes on from what the pod says.
func TestNewProcessGoesOnWithTheNextBatch(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2"})
	r.restartProcess()
	r.expect(inplace.PhaseRestarting, "proxy")
	r.kubelet(testpods.Observe, run("proxy", 2, "proxy:2"))
	r.restartProcess()
	r.expectPending(true, "app")
	r.goOn()
	r.restartProcess()
	r.expect(inplace.PhaseRestarting, "app")
	r.kubelet(testpods.Observe, run("app", 2, "app:2"))
	r.restartProcess()
	r.expect(inplace.PhaseRestarted)
}

// An ordinary init container that is patched restarts nothing, so that nothing has to wait for it.
func TestOrdinaryInitContainersGoWithTheFirstBatch(t *testing.T) {
	r := drained(t, testpods.Init("setup", "setup:1"), testpods.Container("app", "app:1"), testpods.Container("log", "log:1"))
	r.rules = inplace.Rules{"app": {Priority: 1}, "setup": {Priority: -1}}
	r.patch("b", map[string]string{"setup": "setup:2", "app": "app:2", "log": "log:2"})
	r.expectImages(map[string]string{"setup": "setup:2", "app": "app:2", "log": "log:1"})
	r.expectPending(false, "log")
}

// What an earlier batch restarted has not crashed, though it started a moment ago.
func TestRestartByAnEarlierBatchIsNoCrash(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.kubelet(testpods.Observe, run("app", 2, "app:2"))
	r.goOn()
	r.kubelet(testpods.Observe, run("log", 2, "log:2"))
	r.expect(inplace.PhaseRestarted)
	if left := inplace.CrashedLeft(r.pod, r.now); left != 0 {
		t.Errorf("got %s", left)
	}
}

// Somebody's webhook had one container's image set already: there is nothing to wait for.
func TestImageThatThePodHasAlreadyHoldsUpNothing(t *testing.T) {
	r := ordered(t)
	r.kubelet(func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "app:2" })
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:2"})
	r.expect(inplace.PhaseRestarting, "log")
	r.expectPending(false)
}

func TestPendingContainersThatThePodLacksAreForgotten(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"proxy": "proxy:2", "app": "app:2", "log": "log:2"})
	r.kubelet(func(pod *corev1.Pod) { pod.Spec.Containers = pod.Spec.Containers[1:] })
	r.expectPending(false, "log")
}

func TestNeedsDrain(t *testing.T) {
	rules := inplace.Rules{"log": {NoDrain: true}, "stats": {NoDrain: true}, "app": {}}
	tests := map[string]struct {
		names []string
		want  bool
	}{
		"nothing restarts":           {nil, false},
		"none requires it":           {[]string{"log", "stats"}, false},
		"one requires it":            {[]string{"log", "app"}, true},
		"of one nothing was said":    {[]string{"log", "web"}, true},
		"nothing was said of anyone": {[]string{"web"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.NeedsDrain(tt.names, rules); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRestarting(t *testing.T) {
	change := inplace.Compare(template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Image, t.Spec.InitContainers[0].Image = "web:2", "setup:2"
	}))
	progress := inplace.Progress{Unconfirmed: []string{"web", "proxy"}, Pending: []string{"log", "proxy"}}
	if diff := cmp.Diff([]string{"web", "proxy", "log"}, inplace.Restarting(&change, &progress)); diff != "" {
		t.Errorf("restarting (-want +got):\n%s", diff)
	}
}
