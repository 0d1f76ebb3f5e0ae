package inplace_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// settling is how long a container that nothing speaks for must have stayed: 30 s to be killed and 5 s more.
const settling = 35 * time.Second

func TestUpdateIsConfirmedWhenTheNewContainerRuns(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	r.expect(inplace.PhaseDraining)
	r.patch("b", map[string]string{"web": "app:b"})
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(testpods.Observe) // The generation is seen before the restart.
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(waiting("web", "ContainerCreating", ""))
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarted)
}

// (a): the kubelet was asked back before it acted, so that no restart ever comes.
func TestBackToTheRunningImageBeforeTheKubeletActed(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.patch("a", map[string]string{"web": "app:a"})
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarted)
}

// (a) does not hold for the old container while another image is wanted, however long it stays.
func TestOldContainerIsNeverTheNewOne(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.wait(24 * time.Hour)
	r.expect(inplace.PhaseRestarting, "web")
}

// The first status at C's generation shows B's container, new and running, seconds before C replaces it.
func TestSlowPullInBetweenIsNotTakenForTheLastImage(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, waiting("web", "ContainerCreating", ""))
	r.patch("c", map[string]string{"web": "app:c"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarting, "web")
	r.wait(settling - time.Second)
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 3, "app:c")) // (b): not the container of an earlier status at this generation.
	r.expect(inplace.PhaseRestarted)
}

// (c): where one image was asked for, another digest than the old one can only be its own.
func TestAnotherDigestConfirmsTheOnlyImageAskedFor(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.restartProcess()
	r.expect(inplace.PhaseRestarted)
	r.patch("c", map[string]string{"web": "app:c"}) // B was confirmed: it counts no more.
	r.kubelet(testpods.Observe, run("web", 3, "app:c"))
	r.restartProcess()
	r.expect(inplace.PhaseRestarted)
}

// (c): a digest that cannot be read proves nothing.
func TestNoDigestProvesNothing(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"), func(pod *corev1.Pod) {
		testpods.Status(pod, "web").ImageID = "app:b"
	})
	r.expect(inplace.PhaseRestarting, "web")
}

// (c) proves nothing while an image asked for in between may have the same digest.
func TestDigestThatAnotherImageMayHaveProvesNothing(t *testing.T) {
	between := func(t *testing.T) *rollout {
		r := drained(t, testpods.Container("web", "app:a"))
		r.patch("b", map[string]string{"web": "app:b"})
		r.patch("c", map[string]string{"web": "app:c"})
		r.kubelet(testpods.Observe, run("web", 2, "app:c"))
		r.restartProcess()
		r.learn("app:c")
		return r
	}
	t.Run("nothing is known of it", func(t *testing.T) {
		between(t).expect(inplace.PhaseRestarting, "web")
	})
	t.Run("it is known to have it", func(t *testing.T) {
		r := between(t)
		r.known["app:b"] = r.known["app:c"]
		r.expect(inplace.PhaseRestarting, "web")
	})
	t.Run("it is known to have another", func(t *testing.T) {
		r := between(t)
		r.learn("app:b")
		r.expect(inplace.PhaseRestarted)
	})
}

// Two tags of one image: the container is new, its digest the recorded one.
func TestSameDigest(t *testing.T) {
	retag := func(t *testing.T) *rollout {
		r := drained(t, testpods.Container("web", "app:a"))
		r.patch("b", map[string]string{"web": "app:a-too"})
		return r
	}
	t.Run("an earlier status was seen", func(t *testing.T) {
		r := retag(t)
		r.kubelet(testpods.Observe)
		r.kubelet(run("web", 2, "app:a"))
		r.expect(inplace.PhaseRestarted)
	})
	t.Run("no earlier status was seen", func(t *testing.T) {
		r := retag(t)
		r.kubelet(testpods.Observe, run("web", 2, "app:a"))
		r.expect(inplace.PhaseRestarting, "web")
		if wait := r.progress().Wait; wait != settling {
			t.Errorf("got a wait of %s, want %s", wait, settling)
		}
		r.wait(settling) // (d)
		r.expect(inplace.PhaseRestarted)
	})
}

// The old image crashes and is started again before the kubelet sees the patch: new, running, and about to be killed.
func TestCrashBeforeTheKubeletSawThePatch(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarting, "web")
	r.wait(settling - time.Second)
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 3, "app:b"))
	r.expect(inplace.PhaseRestarted)
}

func TestPatchThatChangedNothing(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	before := r.pod.Generation
	r.patch("b", map[string]string{"web": "app:b"})
	// A webhook has set the image back in the same call, so that the generation did not rise.
	r.pod.Spec.Containers[0].Image = "app:a"
	r.pod.Generation = before
	r.expect(inplace.PhaseRestarted)
}

// It ends what there is to be waited for, though the container that goes on crashing is the old one.
func TestPatchThatChangedNothingWaitsForNoContainer(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	before := r.pod.Generation
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(func(pod *corev1.Pod) { pod.Spec.Containers[0].Image, pod.Generation = "app:a", before },
		waiting("web", "CrashLoopBackOff", "back-off 10s"))
	r.expect(inplace.PhaseRestarted)
}

// Of two images patched a webhook set one back: the generation rose, and that container is never restarted.
func TestPatchThatChangedOneOfTwoImages(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	r.patch("b", map[string]string{"web": "app:b", "log": "log:2"})
	r.pod.Spec.Containers[1].Image = "log:1"
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarted)
}

// What was seen at the generation of a patch that changed nothing precedes the patch that did.
func TestSightingOfAPatchThatChangedNothingProvesNothing(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	before := r.pod.Generation
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(func(pod *corev1.Pod) { pod.Spec.Containers[0].Image, pod.Generation = "app:a", before })
	r.current["web"] = "app:a"
	r.expect(inplace.PhaseRestarted)
	r.patch("c", map[string]string{"web": "app:c"})
	r.kubelet(testpods.Observe, run("web", 2, "app:a")) // It crashed, and C's restart is still to come.
	r.expect(inplace.PhaseRestarting, "web")
}

func TestKubeletThatReportsNoGeneration(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.kubelet(observe(0))
	r.patch("b", map[string]string{"web": "app:a-too"})
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarting, "web") // It may have crashed; a status without a generation may be an old one.
	r.wait(settling)
	r.expect(inplace.PhaseRestarted)
}

// Without a generation the old container may just be one that the kubelet has not replaced yet by the image in between.
func TestKubeletThatReportsNoGenerationIsAskedBack(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.kubelet(observe(0))
	r.patch("b", map[string]string{"web": "app:b"})
	r.patch("a", map[string]string{"web": "app:a"})
	r.expect(inplace.PhaseRestarting, "web")
	r.wait(settling)
	r.expect(inplace.PhaseRestarted)
}

func TestKubeletThatReportsNoGenerationIsBelievedADigest(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.kubelet(observe(0))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarted)
}

func TestNewProcessConfirms(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:a-too"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("web", 2, "app:a"))
	r.restartProcess()
	r.expect(inplace.PhaseRestarting, "web") // It cannot know that this is not the crashed old one.
	r.wait(settling)
	r.expect(inplace.PhaseRestarted)
}

func TestEachContainerIsConfirmedOnItsOwn(t *testing.T) {
	r := drained(t, testpods.Sidecar("proxy", "proxy:1"), testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	r.patch("b", map[string]string{"proxy": "proxy:2", "web": "app:b"})
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarting, "proxy", "web")
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarting, "proxy")
	r.kubelet(run("proxy", 2, "proxy:2"))
	r.expect(inplace.PhaseRestarted)
}

// A later patch of another container forgets nothing of the one that is not confirmed yet.
func TestUnconfirmedContainerOutlivesAFurtherPatch(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.patch("c", map[string]string{"log": "log:2"})
	r.expect(inplace.PhaseRestarting, "web", "log")
	r.kubelet(testpods.Observe)
	r.kubelet(run("log", 2, "log:2"))
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarted)
}

// The statuses of a patch of labels are as good as those before it.
func TestPatchOfLabelsKeepsTheSighting(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:a-too"})
	r.kubelet(testpods.Observe)
	r.patch("c", nil)
	r.expect(inplace.PhaseRestarting, "web")
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarted)
}

func TestContainerWaits(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, waiting("web", "ErrImagePull", "not found"))
	r.wait(time.Hour)
	r.expect(inplace.PhaseRestarting, "web")
	if wait := r.progress().Wait; wait != 0 {
		t.Errorf("got a wait of %s for what only an event can end", wait)
	}
}

func TestStateOfAConfirmedUpdateDoesNotCountInTheNextDrain(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarted)
	testpods.Serving()(r.pod)
	r.expect(inplace.PhaseInService)
	testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, r.now)(r.pod)
	r.expect(inplace.PhaseDraining)
}
