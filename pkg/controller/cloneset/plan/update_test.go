package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// drainedOld returns an old pod that was drained an hour ago and not patched.
func drainedOld(name string, options ...testpods.Option) *corev1.Pod {
	return old(name, append([]testpods.Option{testpods.Drained(testpods.Start())}, options...)...)
}

func TestUpdateTakesNoMoreThanItMay(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"one at a time": {cloneSet(3), numbered(3, old), []string{"Drain web-0000"}},
		"two at a time": {cloneSet(3, maxUnavailableOf(2)), numbered(3, old), []string{"Drain web-0000", "Drain web-0001"}},
		"an old pod that is out of service costs nothing": {
			cloneSet(2), []*corev1.Pod{old("a"), old("b", notReady())}, []string{"Drain b"},
		},
		"an updated pod that is out of service takes the slot": {
			cloneSet(2), []*corev1.Pod{old("a"), updated("b", notReady())}, nil,
		},
		"an updated pod that crashed a moment ago takes the slot": {
			cloneSet(2), []*corev1.Pod{old("a"), updated("b", crashed)}, nil,
		},
		"two updated ones that are out of service leave none": {
			cloneSet(4, maxUnavailableOf(2)),
			append(numbered(2, old), updated("x", notReady()), updated("y", notReady())), nil,
		},
		"a missing pod is made first": {
			cloneSet(3), numbered(2, old), []string{"CreatePod at web-b"},
		},
		"the partition keeps its share": {
			cloneSet(3, maxUnavailableOf(3), partitionOf(2)), numbered(3, old), []string{"Drain web-0000"},
		},
		"a drained pod is patched": {cloneSet(2), []*corev1.Pod{drainedOld("a"), old("b")}, []string{"UpdateInPlace a"}},
		"a pod that is made takes the slot": {
			cloneSet(2), []*corev1.Pod{old("a", notReady())}, []string{"CreatePod at web-b"},
		},
		"a new pod that cannot be drained leaves the others no more": {
			cloneSet(3, maxUnavailableOf(2)), []*corev1.Pod{old("a"), old("b"), fresh("c")}, []string{"Serve c", "Drain a"},
		},
		"nothing is left to do": {cloneSet(2), numbered(2, updated), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

// crashed makes a container of the pod one that was started again just now.
func crashed(pod *corev1.Pod) {
	testpods.Run(pod, "web", 2, "app:b")
	testpods.Status(pod, "web").State.Running.StartedAt.Time = now()
}

func TestDrainedPodGoesBackIntoService(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
	}{
		"paused":               {cloneSet(2, paused), []*corev1.Pod{drainedOld("a"), old("b")}},
		"the partition raised": {cloneSet(2, partitionOf(2)), []*corev1.Pod{drainedOld("a"), old("b")}},
		"no slot is left, since an updated pod fails": {
			cloneSet(3), []*corev1.Pod{drainedOld("a"), old("b"), updated("c", notReady())},
		},
		"the template set back": {
			cloneSet(2), []*corev1.Pod{podAt(revisionB, "app:b", "a", testpods.Drained(testpods.Start())), updated("b")},
		},
		"only a part of the update cannot be made in place, and it must be": {
			cloneSet(2, withEnv, policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)), []*corev1.Pod{drainedOld("a"), old("b")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), "Restore a") })
	}
}

func TestGracePeriodIsWaitedFor(t *testing.T) {
	in := inputOf(cloneSet(1), drainedOld("a"))
	in.Set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32(20))
	in.Now = testpods.Start().Add(15 * time.Second)
	p := Compute(in)
	expect(t, p)
	if p.Wake != 5*time.Second {
		t.Errorf("got wake %s, want 5s", p.Wake)
	}
	in.Now = testpods.Start().Add(20 * time.Second)
	expect(t, Compute(in), "UpdateInPlace a")
}

func TestPodThatIsStillServedIsNotPatched(t *testing.T) {
	in := inputOf(cloneSet(1), drainedOld("a"))
	uid := in.Pods[0].UID
	in.Sightings[uid] = in.Sightings[uid].SeeDrained(false, true, now())
	p := Compute(in)
	expect(t, p)
	if p.Wake != 0 {
		t.Errorf("got wake %s where only an event can help", p.Wake)
	}
	in.Sightings = nil // A process that saw nothing of the pod yet.
	expect(t, Compute(in))
}

func TestPatchedPod(t *testing.T) {
	running := func(t *testing.T) *corev1.Pod {
		pod := patchedTo(t, "a")
		testpods.Observe(pod)
		testpods.Run(pod, "web", 2, "app:b")
		return pod
	}
	t.Run("is waited for", func(t *testing.T) {
		expect(t, Compute(inputOf(cloneSet(2), patchedTo(t, "a"), old("b"))))
	})
	t.Run("is confirmed", func(t *testing.T) {
		expect(t, Compute(inputOf(cloneSet(1), running(t))), "Confirm a")
	})
	t.Run("is confirmed while paused", func(t *testing.T) {
		expect(t, Compute(inputOf(cloneSet(1, paused), running(t))), "Confirm a")
	})
	t.Run("gets a newer template without going back into service", func(t *testing.T) {
		in := inputOf(cloneSet(2), patchedTo(t, "a"), old("b"))
		newer(&in)
		p := Compute(in)
		expect(t, p, "UpdateInPlace a")
		patched := apply(t, in.Pods[0], p.Actions[0].Patch)
		if got := patched.Spec.Containers[0].Image; got != "app:c" {
			t.Errorf("got image %s, want app:c", got)
		}
		if got := len(inplace.ReadState(patched).Records); got != 2 {
			t.Errorf("got %d records, want those of both images", got)
		}
	})
	t.Run("is left at its revision by a newer one that is paused", func(t *testing.T) {
		in := inputOf(cloneSet(1, paused), patchedTo(t, "a"))
		newer(&in)
		expect(t, Compute(in))
		in = inputOf(cloneSet(1, paused), running(t))
		newer(&in)
		expect(t, Compute(in), "Confirm a")
	})
	t.Run("wakes the pass that believes it", func(t *testing.T) {
		pod := patchedTo(t, "a")
		testpods.Observe(pod)
		testpods.Run(pod, "web", 2, "app:a")
		in := inputOf(cloneSet(1), pod)
		in.Now = testpods.Start().Add(time.Second)
		p := Compute(in)
		expect(t, p)
		if p.Wake != slow-time.Second {
			t.Errorf("got wake %s, want to tell that the restart takes long", p.Wake)
		}
		in.Now = testpods.Start().Add(slow)
		if p := Compute(in); p.Wake != 5*time.Second {
			t.Errorf("got wake %s, want the 5s until it is believed", p.Wake)
		}
	})
}

// newer sets the template to a third one.
func newer(in *Input) {
	in.Revisions.Update = Revision{Name: "web-c", Template: templateOf("app:c")}
	in.Revisions.Templates["web-c"] = in.Revisions.Update.Template
}

func apply(t *testing.T, pod *corev1.Pod, patch []byte) *corev1.Pod {
	t.Helper()
	patched, err := testpods.Patched(pod, patch)
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func TestNewerTemplateDuringTheDrainIsPatchedInstead(t *testing.T) {
	in := inputOf(cloneSet(1), drainedOld("a"))
	newer(&in)
	p := Compute(in)
	expect(t, p, "UpdateInPlace a")
	patched := apply(t, in.Pods[0], p.Actions[0].Patch)
	if got := patched.Spec.Containers[0].Image; got != "app:c" {
		t.Errorf("got image %s, want app:c", got)
	}
}

func TestMetadataIsPatchedAtOnce(t *testing.T) {
	labels := func(set *appsv1beta1.CloneSet) {
		set.Spec.Template = *templateOf("app:a")
		set.Spec.Template.Labels["extra"] = "yes"
	}
	in := inputOf(cloneSet(3, labels), numbered(3, old)...)
	p := Compute(in)
	expect(t, p, "UpdateInPlace web-0000", "UpdateInPlace web-0001", "UpdateInPlace web-0002")
	patched := apply(t, in.Pods[0], p.Actions[0].Patch)
	if patched.Labels["extra"] != "yes" || patched.Labels[appsv1beta1.RevisionLabel] != revisionB {
		t.Errorf("got labels %v", patched.Labels)
	}
	expect(t, Compute(inputOf(cloneSet(3, labels, partitionOf(2)), numbered(3, old)...)), "UpdateInPlace web-0000")
	expect(t, Compute(inputOf(cloneSet(1, labels), drainedOld("a"))), "UpdateInPlace a")
}

// A pod that waits for its containers stays out of service: its labels are no reason to leave the slot to another one.
func TestMetadataOfAPatchedPodTakesASlot(t *testing.T) {
	in := inputOf(cloneSet(2), patchedTo(t, "a"), podAt("web-c", "app:b", "b", notReady()))
	newer(&in)
	in.Revisions.Update.Template.Spec.Containers[0].Image = "app:b"
	in.Revisions.Update.Template.Labels["extra"] = "yes"
	expect(t, Compute(in), "Serve b")
	in.Pods[1] = podAt("web-c", "app:b", "b", testpods.Serving())
	expect(t, Compute(in), "UpdateInPlace a")
}

// Setting the stable template again brings all pods back, whatever the partition keeps.
func TestPartitionKeepsNoPodFromTheStableRevision(t *testing.T) {
	in := inputOf(cloneSet(2, partitionOf(2)), old("a"), old("b"))
	in.Revisions.Current, in.Set.Status.CurrentRevision = in.Revisions.Update, in.Revisions.Update.Name
	p := Compute(in)
	expect(t, p, "Drain a")
	if p.Status.ExpectedUpdatedReplicas != 2 {
		t.Errorf("got %d pods that are to be updated, want 2", p.Status.ExpectedUpdatedReplicas)
	}
}

func TestImageOfAnInitContainerIsPatchedAtOnce(t *testing.T) {
	set := cloneSet(1)
	set.Spec.Template = *templateOf("app:a")
	set.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup:2"}}
	in := inputOf(set, old("a", testpods.Init("setup", "setup:1")))
	before := templateOf("app:a")
	before.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup:1"}}
	in.Revisions.Templates[revisionA] = before
	p := Compute(in)
	expect(t, p, "UpdateInPlace a")
	contains(t, p.Actions[0].Why, "setup to setup:2 (takes effect when the sandbox starts the next time)")
}

func TestNewPodIsServed(t *testing.T) {
	gateless := podAt(revisionB, "app:b", "c")
	gateless.Spec.ReadinessGates = nil
	p := Compute(inputOf(cloneSet(3, partitionOf(1)), fresh("a"), podAt(revisionB, "app:b", "b"), gateless))
	expect(t, p, "Serve a", "Serve b")
	served := apply(t, fresh("a"), p.Actions[0].Patch)
	if gate := inplace.Condition(served, appsv1beta1.InPlaceUpdateReady); gate == nil || gate.Status != corev1.ConditionTrue {
		t.Errorf("got gate %+v", gate)
	}
}

// A pod whose gate was never set is brought into service before it is drained: there is no hurry.
func TestNewPodIsNotDrained(t *testing.T) {
	expect(t, Compute(inputOf(cloneSet(1), fresh("a"))), "Serve a")
}

func TestRelabelAndRelease(t *testing.T) {
	p := Compute(inputOf(cloneSet(1), updated("a", unlabelled)))
	expect(t, p, "Relabel a")
	if got := apply(t, updated("a", unlabelled), p.Actions[0].Patch); !isManaged(got) {
		t.Errorf("got labels %v", got.Labels)
	}
	owned := updated("a", stranger)
	owned.OwnerReferences = NewPod(cloneSet(1), Revision{Name: revisionB, Template: templateOf("app:b")}, "a").OwnerReferences
	p = Compute(inputOf(cloneSet(1), owned))
	expect(t, p, "Release a", "CreatePod at web-b")
	for _, a := range p.Actions {
		if a.Kind == Release && len(apply(t, owned, a.Patch).OwnerReferences) > 0 {
			t.Error("the owner is still there")
		}
	}
	expect(t, Compute(inputOf(cloneSet(0), updated("a", stranger, terminating))))
}
