package inplace_test

import (
	"testing"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// A newer revision in the middle of a batch brings all of the containers that the earlier one changed to its own images.
func TestNewerRevisionForgetsNoPendingContainer(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.patch("c", map[string]string{"app": "app:3"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:3", "log": "log:1"})
	r.expectPending(false, "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:3"))
	r.expectPending(true, "log")
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:3", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("log", 2, "log:2"))
	r.expect(inplace.PhaseRestarted)
}

// A pending container has the newest image when its turn comes.
func TestPendingContainerIsPatchedToTheNewestImage(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.patch("c", map[string]string{"log": "log:3"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "app")
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:3"})
}

// A container that has the wanted image, because it was never patched away from it, waits for nothing and holds up none.
func TestPendingContainerThatIsSetBackIsDone(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.patch("a", map[string]string{"app": "app:1", "log": "log:1"})
	r.expectPending(false)
	r.expect(inplace.PhaseRestarting, "app")
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarted)
}

// The same where it is all that was left: the state must not go on naming it.
func TestLastPendingContainerIsSetBack(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.patch("c", map[string]string{"log": "log:1"})
	r.expectPending(false)
	r.expect(inplace.PhaseRestarted)
}

// A container of the second batch that is patched and does not run has its turn again after the first, which changed.
func TestNewerRevisionKeepsToTheOrder(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:bad"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.goOn()
	r.kubelet(testpods.Observe, waiting("log", "ErrImagePull", "not found"))
	r.patch("c", map[string]string{"app": "app:3", "log": "log:3"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:3", "log": "log:bad"})
	r.expect(inplace.PhaseRestarting, "log", "app")
	r.expectPending(false, "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 3, "app:3"))
	r.expectPending(true, "log") // Though it runs as little as before: it is the one that is to be patched.
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:3", "log": "log:3"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("log", 2, "log:3"))
	r.expect(inplace.PhaseRestarted)
}

// A newer revision that leaves alone what is being restarted lets nothing overtake it.
func TestNewerRevisionWaitsForWhatTheEarlierOneRestarted(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2"})
	r.kubelet(testpods.Observe)
	r.patch("c", map[string]string{"log": "log:3"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "app")
	r.kubelet(run("app", 2, "app:2"), ready("app", false, true))
	r.expectPending(false, "log")
	r.patch("d", map[string]string{"log": "log:4"})
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:1"})
	r.expectPending(false, "log")
	r.kubelet(ready("app", true, true))
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:4"})
}

// One that comes first now goes at once.
func TestNewerRevisionOfAHigherPriorityGoesFirst(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.patch("c", map[string]string{"proxy": "proxy:3"})
	r.expectImages(map[string]string{"proxy": "proxy:3", "app": "app:2", "log": "log:1"})
	r.expect(inplace.PhaseRestarting, "app", "proxy")
	r.expectPending(false, "log")
}

// Who turns the gate on by hand, or too late, makes nothing of what is pending be forgotten.
func TestPendingContainersOutliveTheGate(t *testing.T) {
	r := ordered(t)
	r.patch("b", map[string]string{"app": "app:2", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("app", 2, "app:2"))
	r.serve()
	r.expect(inplace.PhaseRestarting)
	r.expectPending(true, "log")
	r.drain()
	r.expect(inplace.PhaseDraining)
	r.expectPending(true, "log")
	r.goOn()
	r.expectImages(map[string]string{"proxy": "proxy:1", "app": "app:2", "log": "log:2"})
	r.expect(inplace.PhaseRestarting, "log")
	r.expectPending(false)
}
