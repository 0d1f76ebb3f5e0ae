package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// restarted makes the update a restart of what runs already.
func restarted(set *appsv1beta1.CloneSet) {
	set.Spec.Template.Spec.Containers[0].Image = "app:a"
	set.Spec.Template.Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: "2026-03-01T12:30:00Z"}
}

func inPlaceAs(change func(*appsv1beta1.InPlaceUpdateStrategy)) edit {
	return rolling(func(r *appsv1beta1.RollingUpdate) { change(&r.InPlaceUpdateStrategy) })
}

func skipping(s *appsv1beta1.InPlaceUpdateStrategy) { s.SameImage = appsv1beta1.SkipSameImage }

func pinning(s *appsv1beta1.InPlaceUpdateStrategy) { s.Pin = appsv1beta1.PinDigest }

func askingAlways(set *appsv1beta1.CloneSet) {
	set.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
}

func runningImage(imageID string) testpods.Option {
	return func(pod *corev1.Pod) { testpods.Status(pod, "web").ImageID = imageID }
}

// tells has a node have the images, and a digest of them.
func tells(imageID string) status {
	return took(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "StartError"}}, imageID)
}

func digestOf(image string) string { return inplace.Digest(testpods.ImageID(image)) }

// imagesSet returns what the patches of a plan set the image of web to, by pod.
func imagesSet(t *testing.T, p Plan) map[string]string {
	t.Helper()
	images := map[string]string{}
	for _, a := range p.Actions {
		var patch struct{ Spec corev1.PodSpec }
		if a.Kind != UpdateInPlace {
			continue
		}
		if err := json.Unmarshal(a.Patch, &patch); err != nil {
			t.Fatal(err)
		}
		for _, c := range patch.Spec.Containers {
			images[a.Pod.Name] = c.Image
		}
	}
	return images
}

func expectImage(t *testing.T, p Plan, pod, want string) {
	t.Helper()
	if diff := cmp.Diff(map[string]string{pod: want}, imagesSet(t, p)); diff != "" {
		t.Errorf("images that are set (-want +got):\n%s", diff)
	}
}

// withHistory has revisions be there that can be written to.
func withHistory(in Input) Input {
	in.Revisions.History = revisionsNamed(revisionA, revisionB)
	return in
}

func TestRestartDrainsAndPatchesAnotherName(t *testing.T) {
	set := cloneSet(1, restarted)
	in := inputOf(set, old("web-0"))
	in.Revisions.Templates[revisionA].Spec.Containers[0].ImagePullPolicy = set.Spec.Template.Spec.Containers[0].ImagePullPolicy
	expect(t, Compute(in), "Drain web-0")
	drained := inputOf(set, old("web-0", testpods.Drained(testpods.Start())))
	expectImage(t, Compute(drained), "web-0", "app:a@"+digestOf("app:a"))
}

// The name of before was the one with the tag: now it is the one without.
func TestNextRestartTakesTheOtherName(t *testing.T) {
	pod := old("web-0", testpods.Drained(testpods.Start()), func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Image = "app:a@" + digestOf("app:a")
	})
	expectImage(t, Compute(inputOf(cloneSet(1, restarted), pod)), "web-0", "app@"+digestOf("app:a"))
}

// The digest comes from the node, and may be one that the repository does not have: it is pulled by its new name before a pod is
// drained.
func TestRestartIsRehearsedByItsNewName(t *testing.T) {
	in := inputOf(cloneSet(1, restarted, rehearsed()), old("web-0", onNode("n1")))
	p := Compute(in)
	if len(p.Actions) != 1 || p.Actions[0].Kind != Rehearse {
		t.Fatalf("got %v", deeds(p))
	}
	want := "app:a@" + digestOf("app:a")
	if got := p.Actions[0].Pod.Spec.Containers[0].Image; got != want {
		t.Errorf("%s is rehearsed, want %s", got, want)
	}
	perform(&in, p, tells(testpods.ImageID("app:a")))
	if p = Compute(in); count(p, Drain) != 1 {
		t.Errorf("got %v", deeds(p))
	}
}

// What a pod runs of which nothing is recorded is believed while it is ready, and so it is when it is drained for that: otherwise it
// would go back, and be drained again.
func TestRestartGoesOnWithWhatWasKnownBeforeTheDrain(t *testing.T) {
	in := inputOf(cloneSet(1, restarted, rehearsed()), old("web-0", onNode("n1"), testpods.Generation(2)))
	perform(&in, Compute(in), tells(testpods.ImageID("app:a")))
	if p := Compute(in); count(p, Drain) != 1 {
		t.Fatalf("got %v", deeds(p))
	}
	drained := inputOf(in.Set, old("web-0", onNode("n1"), testpods.Generation(2), testpods.Drained(testpods.Start())))
	drained.Rehearsals = in.Rehearsals
	expectImage(t, Compute(drained), "web-0", "app:a@"+digestOf("app:a"))
}

// Under the pull policy Always the tag is resolved anew.
func TestRestartResolvesTheTagAnewWhereTheRegistryIsAskedAlways(t *testing.T) {
	set := cloneSet(1, restarted, rehearsed(), askingAlways)
	in := inputOf(set, old("web-0", testpods.Drained(testpods.Start()), onNode("n1")))
	in.Revisions.Templates[revisionA].Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
	p := Compute(in)
	if count(p, Rehearse) != 1 || count(p, UpdateInPlace) != 0 {
		t.Fatalf("got %v", deeds(p))
	}
	perform(&in, p, tells("registry.example/app@sha256:anew"))
	expectImage(t, Compute(in), "web-0", "app:a@sha256:anew")
}

func TestRestartOfAnImageThatNoRegistryHas(t *testing.T) {
	pod := old("web-0", runningImage("sha256:loaded"))
	t.Run("recreates the pod", func(t *testing.T) {
		p := Compute(inputOf(cloneSet(1, restarted), pod))
		expect(t, p, "Recreate web-0")
		if why := p.Actions[0].Why; !strings.Contains(why, "no registry has a digest of app:a") {
			t.Errorf("the reason is %q", why)
		}
	})
	t.Run("is refused where no pod may be recreated", func(t *testing.T) {
		p := Compute(inputOf(cloneSet(1, restarted, policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)), pod))
		expect(t, p)
		expectStalled(t, p, appsv1beta1.ReasonInPlaceImpossible, "app:a")
	})
}

// Some runtimes tell in a form of their own of an image that no registry has. It is not taken for one of which nothing is known
// yet: the pod would count as restarted, and a CloneSet wait for its digest to be found out.
func TestImageThatNoRegistryHasByAnyRuntime(t *testing.T) {
	for name, imageID := range map[string]string{
		"containerd": digestOf("app:a"), "cri-dockerd": "docker://" + digestOf("app:a"), "CRI-O": strings.Repeat("0a1b2c4d", 8),
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, Compute(inputOf(cloneSet(1, restarted), old("web-0", runningImage(imageID)))), "Recreate web-0")
			expect(t, Compute(inputOf(cloneSet(1, restarted, rehearsed()), old("web-0", runningImage(imageID)))), "Recreate web-0")
			in := withHistory(inputOf(cloneSet(2, inPlaceAs(pinning)), updated("web-0", runningImage(imageID))))
			recordPin(t, &in, Compute(in))
			expect(t, Compute(in), "CreatePod at "+revisionB)
		})
	}
}

func expectStalled(t *testing.T, p Plan, reason, words string) {
	t.Helper()
	for _, c := range p.Status.Conditions {
		if c.Type == appsv1beta1.ConditionStalled && (c.Reason != reason || !strings.Contains(c.Message, words)) {
			t.Errorf("Stalled is %s: %s", c.Reason, c.Message)
		}
	}
}

// The image in a pod was set by somebody, or by a webhook: what runs says nothing of the image of the revision.
func TestRestartOfAnImageThatSomebodyHasSet(t *testing.T) {
	pod := old("web-0", testpods.Drained(testpods.Start()), onNode("n1"), func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Image = "mirror/app:a"
	})
	in := inputOf(cloneSet(1, restarted, rehearsed()), pod)
	p := Compute(in)
	if count(p, Rehearse) != 1 || p.Actions[0].Pod.Spec.Containers[0].Image != "app:a" {
		t.Fatalf("got %v", deeds(p))
	}
	perform(&in, p, tells("mirror/app@sha256:mirrored"))
	expectImage(t, Compute(in), "web-0", "app:a@sha256:mirrored")
}

func TestWayBackFromARestartRestartsNothing(t *testing.T) {
	set := cloneSet(1)
	set.Spec.Template.Spec.Containers[0].Image = "app:a"
	in := inputOf(set, old("web-0"))
	in.Revisions.Templates[revisionA].Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: "2026-03-01T12:30:00Z"}
	p := Compute(in)
	expect(t, p, "UpdateInPlace web-0")
	if images := imagesSet(t, p); len(images) > 0 {
		t.Errorf("images are set: %v", images)
	}
}

// same has a pod run what the new tag means.
func same() testpods.Option { return runningImage(testpods.ImageID("app:b")) }

func TestSameImageIsSkipped(t *testing.T) {
	for name, tt := range map[string]struct {
		edits []edit
		pod   *corev1.Pod
		skips bool
	}{
		"the digest of the node":  {[]edit{inPlaceAs(skipping)}, old("web-0", onNode("n1"), same()), true},
		"another digest":          {[]edit{inPlaceAs(skipping)}, old("web-0", onNode("n1")), false},
		"where that is not asked": {nil, old("web-0", onNode("n1"), same()), false},
		"but not in a restart": {[]edit{inPlaceAs(skipping), func(set *appsv1beta1.CloneSet) {
			set.Spec.Template.Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: "now"}
		}}, old("web-0", onNode("n1"), same()), false},
		"nor of an image that somebody has set": {[]edit{inPlaceAs(skipping)}, old("web-0", onNode("n1"), same(), func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Image = "app:z"
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(1, append(tt.edits, rehearsed())...), tt.pod)
			perform(&in, Compute(in), has())
			p := Compute(in)
			if got := count(p, UpdateInPlace) == 1 && count(p, Drain) == 0; got != tt.skips {
				t.Fatalf("skipped: %t, got %v", got, deeds(p))
			}
			if tt.skips && len(imagesSet(t, p)) > 0 {
				t.Errorf("images are set: %v", imagesSet(t, p))
			}
		})
	}
}

// A pod that was skipped once is skipped again: what it goes on with is recorded.
func TestWhatWasSkippedOnceIsSkippedAgain(t *testing.T) {
	set := cloneSet(1, inPlaceAs(skipping), rehearsed())
	in := inputOf(set, old("web-0", onNode("n1"), same()))
	perform(&in, Compute(in), has())
	pod, err := testpods.Patched(in.Pods[0], patchOf(t, Compute(in), UpdateInPlace))
	if err != nil {
		t.Fatal(err)
	}
	const revisionC = "web-c"
	next := set.DeepCopy()
	next.Spec.Template.Spec.Containers[0].Image = "app:c"
	again := inputOf(next, pod)
	again.Revisions.Templates[revisionB], again.Revisions.Templates[revisionC] = &set.Spec.Template, &next.Spec.Template
	again.Revisions.Update = Revision{Name: revisionC, Template: &next.Spec.Template}
	perform(&again, Compute(again), has())
	p := Compute(again)
	if count(p, UpdateInPlace) != 1 || count(p, Drain) != 0 || len(imagesSet(t, p)) > 0 {
		t.Errorf("got %v with images %v", deeds(p), imagesSet(t, p))
	}
}

func patchOf(t *testing.T, p Plan, kind Kind) []byte {
	t.Helper()
	for _, a := range p.Actions {
		if a.Kind == kind {
			return a.Patch
		}
	}
	t.Fatalf("no %s in %v", kind, deeds(p))
	return nil
}

// recordPin does to the history of an input what the plan wants done.
func recordPin(t *testing.T, in *Input, p Plan) {
	t.Helper()
	var patch struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(patchOf(t, p, Pin), &patch); err != nil {
		t.Fatal(err)
	}
	for _, revision := range in.Revisions.History {
		if revision.UID == patch.Metadata.UID {
			revision.Annotations = patch.Metadata.Annotations
		}
	}
}

// Two nodes have found a tag to mean different digests: the first one goes for both, and is recorded before any pod gets it.
func TestPinnedPodsGetTheDigestThatWasFoundFirst(t *testing.T) {
	in := withHistory(inputOf(cloneSet(2, inPlaceAs(pinning), rehearsed(), maxUnavailableOf(2)), spreadOver("n1", "n2")...))
	p := Compute(in)
	if count(p, Rehearse) != 2 {
		t.Fatalf("got %v", deeds(p))
	}
	perform(&in, p, has())
	other := in.Rehearsals[slices.IndexFunc(in.Rehearsals, func(r *corev1.Pod) bool { return r.Spec.NodeName == "n2" })]
	other.CreationTimestamp = metav1.NewTime(in.Now.Add(1))
	other.Status.ContainerStatuses[0].ImageID = "registry.example/app@sha256:moved"
	p = Compute(in)
	if count(p, Pin) != 1 || count(p, Drain) != 0 {
		t.Fatalf("got %v", deeds(p))
	}
	recordPin(t, &in, p)
	p = Compute(in)
	if count(p, Drain) != 1 || count(p, Rehearse) != 1 || count(p, Pin) != 0 {
		t.Errorf("got %v, want the pod of one node to be drained, and a rehearsal on the other", deeds(p))
	}
	if got, want := imageRehearsed(p), "app:b@"+digestOf("app:b"); got != want {
		t.Errorf("%s is rehearsed, want %s", got, want)
	}
	drained := inputOf(in.Set, old("web-n1", onNode("n1"), testpods.Drained(testpods.Start())), in.Pods[1])
	drained.Rehearsals, drained.Revisions.History = in.Rehearsals, in.Revisions.History
	expectImage(t, Compute(drained), "web-n1", "app:b@"+digestOf("app:b"))
}

// A container that waits for its turn has the image of an older revision. After a restart that may be without a tag, which would
// stand for any.
func TestPendingContainerTellsNoDigest(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst, inPlaceAs(pinning))
	p.in = withHistory(p.in)
	web, log := digestOf("web:b"), digestOf("log:a")
	record := `{"web:b":"` + web + `"}`
	p.in.Revisions.History[1].Annotations = map[string]string{appsv1beta1.DigestsAnnotation: record}
	p.in.Pods[0].Spec.Containers[1].Image = "log@" + log
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.kubelet("web", 2, "web:b@"+web)
	if got := Compute(p.in); count(got, Pin) > 0 {
		t.Errorf("got %v, though nobody knows what log:b is", deeds(got))
	}
	p.perform("UpdateInPlace a")
	p.expectImages("web:b@"+web, "log:b")
}

func imageRehearsed(p Plan) string {
	for _, a := range p.Actions {
		if a.Kind == Rehearse {
			return a.Pod.Spec.Containers[0].Image
		}
	}
	return ""
}

// Where nobody rehearses, the first pod finds it out, and the others wait.
func TestFirstPodFindsOutWhatIsPinned(t *testing.T) {
	set := cloneSet(2, inPlaceAs(pinning), maxUnavailableOf(2))
	in := withHistory(inputOf(set, old("web-0"), old("web-1")))
	expect(t, Compute(in), "Drain web-0")
	in = withHistory(inputOf(set, updated("web-0"), old("web-1")))
	p := Compute(in)
	expect(t, p, "Pin "+revisionB)
	recordPin(t, &in, p)
	expect(t, Compute(in), "Drain web-1")
	drained := inputOf(set, updated("web-0"), old("web-1", testpods.Drained(testpods.Start())))
	drained.Revisions.History = in.Revisions.History
	expectImage(t, Compute(drained), "web-1", "app:b@"+digestOf("app:b"))
}

// Two containers of one image find out the same.
func TestOnePodIsMadeFirstWhereContainersShareAnImage(t *testing.T) {
	in := withHistory(inputOf(cloneSet(3, inPlaceAs(pinning), func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers = append(set.Spec.Template.Spec.Containers, corev1.Container{Name: "second", Image: "app:b"})
	})))
	expect(t, Compute(in), "CreatePod at "+revisionB)
}

// A pod that no node has got its images when it was made: it is no pod to be restarted, and gets what a new one gets.
func TestPodThatNeverRanIsNotRestarted(t *testing.T) {
	unborn := func(pod *corev1.Pod) { pod.Spec.NodeName, pod.Status.ContainerStatuses = "", nil }
	p := Compute(inputOf(cloneSet(1, restarted), old("web-0", unborn)))
	expect(t, p, "UpdateInPlace web-0")
	if images := imagesSet(t, p); len(images) > 0 {
		t.Errorf("images are set: %v", images)
	}
}

func TestNewPodsArePinned(t *testing.T) {
	in := withHistory(inputOf(cloneSet(3, inPlaceAs(pinning))))
	p := Compute(in)
	expect(t, p, "CreatePod at "+revisionB) // One, until it is known.
	in = withHistory(inputOf(in.Set, updated("web-0")))
	p = Compute(in)
	expect(t, p, "Pin "+revisionB)
	recordPin(t, &in, p)
	p = Compute(in)
	expect(t, p, "CreatePod at "+revisionB, "CreatePod at "+revisionB)
	for _, a := range p.Actions {
		if got := a.Pod.Spec.Containers[0].Image; got != "app:b@"+digestOf("app:b") {
			t.Errorf("a pod is made of %s", got)
		}
	}
}

// An image that no registry has cannot be pinned, which holds up nothing.
func TestImageThatNoRegistryHasIsNotPinned(t *testing.T) {
	in := withHistory(inputOf(cloneSet(2, inPlaceAs(pinning)), updated("web-0", runningImage("sha256:loaded")), old("web-1")))
	p := Compute(in)
	recordPin(t, &in, p)
	expect(t, Compute(in), "Drain web-1")
}

func TestBrokenRecordOfDigestsIsMadeAnew(t *testing.T) {
	in := withHistory(inputOf(cloneSet(1, inPlaceAs(pinning)), updated("web-0")))
	in.Revisions.History[1].Annotations = map[string]string{appsv1beta1.DigestsAnnotation: "{"}
	expect(t, Compute(in), "Pin "+revisionB)
}

func TestTagThatMovesIsToldOf(t *testing.T) {
	moved := runningImage("registry.example/app@sha256:moved")
	for name, tt := range map[string]struct {
		pods []*corev1.Pod
		want bool
	}{
		"two digests":                            {[]*corev1.Pod{updated("web-0"), updated("web-1", moved), old("web-2")}, true},
		"one digest":                             {[]*corev1.Pod{updated("web-0"), updated("web-1"), old("web-2")}, false},
		"one that a node has and no registry":    {[]*corev1.Pod{updated("web-0"), updated("web-1", runningImage("sha256:x")), old("web-2")}, false},
		"one of a pod of the revision of before": {[]*corev1.Pod{updated("web-0"), old("web-1", moved), old("web-2")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := Compute(inputOf(cloneSet(3), tt.pods...))
			for _, c := range p.Status.Conditions {
				if told := strings.Contains(c.Message, "the tag of app:b has moved"); c.Type == appsv1beta1.ConditionProgressing && told != tt.want {
					t.Errorf("told: %t in %q", told, c.Message)
				}
			}
		})
	}
}

// A pod that may not go out of service is not the one that finds a digest out, and is not waited for: the one that may go is it.
func TestPodThatCannotGoIsNotWaitedForToFindADigest(t *testing.T) {
	stuck := podAt("web-c", "app:c", "web-2", testpods.Serving(), notReady(), surges)
	first := withPriority(appsv1beta1.PriorityStrategy{OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "rank"}}})
	in := withHistory(inputOf(cloneSet(2, surgeOf("0", "1"), inPlaceAs(pinning), first), old("web-0", testpods.Label("rank", "1")), old("web-1"), stuck))
	in.Revisions.Templates["web-c"] = templateOf("app:c")
	expect(t, Compute(in), "Drain web-2")
}
