package inplace_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// expectPlanned fails the test unless the pod tells of so many planned restarts of its containers.
func (u *timed) expectPlanned(want map[string]int32) {
	u.t.Helper()
	expectPlanned(u.t, u.pod, want)
}

func expectPlanned(t *testing.T, pod *corev1.Pod, want map[string]int32) {
	t.Helper()
	last := inplace.ReadLastUpdate(pod)
	if last == nil {
		t.Fatal("the pod tells nothing of its update")
	}
	if diff := cmp.Diff(want, last.PlannedRestarts); diff != "" {
		t.Errorf("planned restarts (-want +got):\n%s", diff)
	}
}

// shipped returns a pod in service of two containers, of which a process takes the times.
func shipped(t *testing.T) *timed {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))}
	u.look(nil)
	return u
}

// logToo brings the pod to another image of its other container, with the revision that the pod had or with another one.
func (u *timed) logToo(revision string) {
	u.after(1, u.leave)
	u.after(1, func() { u.patch(revision, map[string]string{"log": "log:2"}) })
	u.after(1, func() { u.kubelet(testpods.Observe) })
	u.after(1, func() { u.kubelet(run("log", 2, "log:2")) })
	u.after(1, u.confirm)
}

// A pod that goes to a revision which restarts nothing leaves its records as they are. On the way back they are those of the
// same revision, which are kept; what they tell of was counted.
func TestRecordsThatAreKeptAreNotCountedAgain(t *testing.T) {
	u := shipped(t)
	u.after(0, u.leave)
	u.after(1, u.toV2)
	u.after(1, u.observed)
	u.after(1, u.runs)
	u.after(1, u.confirm)
	u.expectPlanned(map[string]int32{"web": 1})
	u.after(1, func() { u.patch("v3", nil) })
	u.logToo("v2")
	u.expectPlanned(map[string]int32{"log": 1, "web": 1})
}

// A process that has lost its lease may drain a pod late, as it knew it before its update. The next one, which
// has not seen the restart, does not know the container by its digest, and patches the pod further with all its records.
func TestUpdateThatIsOpenAgainIsNotCountedAgain(t *testing.T) {
	u := shipped(t)
	known := u.pod
	u.after(0, u.leave)
	u.after(1, u.toV2)
	u.after(1, u.observed)
	u.after(1, func() { u.kubelet(run("web", 2, "app:a")) }) // The new tag means the same.
	u.after(1, u.confirm)
	u.after(1, func() { u.apply(inplace.DrainPatch(known, "late", "", u.now)) })
	u.restartProcess()
	u.after(1, u.toV3)
	if records := inplace.ReadState(u.pod).Records; len(records) != 2 || records[0].Done {
		t.Fatalf("the records are %+v", records)
	}
	u.after(1, u.observed)
	u.after(1, func() { u.kubelet(run("web", 3, "app:c")) })
	u.after(1, u.confirm)
	u.expectPlanned(map[string]int32{"web": 2})
}

// A container that stayed, since the kubelet was asked back, and that crashes later was not restarted by the next update,
// whose state has the record of it.
func TestLaterCrashIsNotPlanned(t *testing.T) {
	u := shipped(t)
	u.after(0, u.leave)
	u.after(1, u.toV2)
	u.after(1, func() { u.patch("v1", map[string]string{"web": "app:a"}) })
	u.after(1, u.observed)
	u.after(1, u.confirm)
	u.expectPlanned(nil)
	u.after(1, func() { u.kubelet(run("web", 2, "app:a")) })
	u.logToo("v1")
	u.expectPlanned(map[string]int32{"log": 1})
}

// Restarts that are asked for count like those of other images, each of them, though the digest stays.
func TestRestartsInPlaceAreCounted(t *testing.T) {
	u := shipped(t)
	for n, image := range []string{"app:a@" + one, "app@" + one} {
		target := inplace.Target{Revision: image, Template: u.template(map[string]string{"web": "app:a", "log": "log:1"})}
		change := inplace.Change{Restart: true, Images: []inplace.Image{{Container: "web", Image: image, Restarts: true, Again: true}}}
		u.after(1, u.leave)
		u.after(1, func() { u.apply(inplace.UpdatePatch(u.pod, target, change, u.progress())) })
		u.after(1, u.observed)
		u.after(1, func() { u.kubelet(run("web", n+2, "app:a")) })
		u.expect(inplace.PhaseRestarted)
		u.after(1, u.confirm)
		u.expectPlanned(map[string]int32{"web": int32(n) + 1})
	}
}

// A container that is left as it is, since it runs what its new image means, was not restarted.
func TestSkippedContainerIsNotCounted(t *testing.T) {
	u := shipped(t)
	target := inplace.Target{Revision: "v2", Template: u.template(map[string]string{"web": "app:b", "log": "log:2"})}
	change := inplace.Change{Images: []inplace.Image{{Container: "log", Image: "log:2", Restarts: true}}}
	u.after(0, u.leave)
	u.after(1, func() { u.apply(inplace.UpdatePatch(u.pod, target, change, u.progress())) })
	u.after(1, u.observed)
	u.after(1, func() { u.kubelet(run("log", 2, "log:2")) })
	u.expect(inplace.PhaseRestarted)
	u.after(1, u.confirm)
	u.expectPlanned(map[string]int32{"log": 1})
}

// webRuns is the kubelet starting the n-th container with what the pod asks for.
func webRuns(n int, image string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		testpods.Run(pod, "web", n, image)
		report(pod)
	}
}

// A container that is restarted for its resources counts once it was, whether or not it crashed while there was no room.
func TestRestartsForResourcesAreCounted(t *testing.T) {
	crashed := func(pod *corev1.Pod) { testpods.Run(pod, "web", 2, "web:1") }
	for name, tt := range map[string]struct {
		edits []func(*corev1.PodTemplateSpec)
		then  []func(*corev1.Pod)
		want  map[string]int32
	}{
		"a restart":                    {restarting(), []func(*corev1.Pod){webRuns(2, "web:1")}, map[string]int32{"web": 1}},
		"none":                         {nil, []func(*corev1.Pod){report}, nil},
		"none, and a crash":            {nil, []func(*corev1.Pod){crashed, report}, nil},
		"no room":                      {restarting(), []func(*corev1.Pod){noRoom}, nil},
		"no room, and a crash":         {restarting(), []func(*corev1.Pod){noRoom, crashed}, nil},
		"no room, a crash once served": {restarting(), []func(*corev1.Pod){noRoom, confirmed(t), crashed}, nil},
		"no room for some time": {
			restarting(), []func(*corev1.Pod){noRoom, confirmed(t), room, webRuns(2, "web:1")}, map[string]int32{"web": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := resized(t, resizable(testpods.Drained(testpods.Start())), more(), tt.edits...)
			expectPlannedAfter(t, pod, tt.then, tt.want)
		})
	}
}

// Where one change has a container restarted for its image and for its resources, that is one restart. If the kubelet makes two
// of it, no more than one is sure to be planned.
func TestRestartForAnImageAndForResources(t *testing.T) {
	newImage := func(pod *corev1.Pod) {
		testpods.Run(pod, "web", 2, "web:2")
		testpods.Observe(pod)
	}
	for name, then := range map[string][]func(*corev1.Pod){
		"at once":                {webRuns(2, "web:2")},
		"one after the other":    {newImage, webRuns(3, "web:2")},
		"the image, and no room": {newImage, noRoom},
		"the image, and room later": {
			newImage, noRoom, confirmed(t), room, webRuns(3, "web:2"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := resizable(testpods.Drained(testpods.Start()))
			before := amounts{requests: of{"cpu": "100m", "memory": "64Mi"}, limits: of{"memory": "128Mi"}}
			old, next := before.template(restarting()...), more().template(restarting()...)
			next.Spec.Containers[0].Image = "web:2"
			target := inplace.Target{Revision: "web-b", Template: next}
			pod = patchOf(t, pod, inplace.UpdatePatch(pod, target, inplace.Compare(old, next), phaseOf(pod)))
			expectPlannedAfter(t, pod, append([]func(*corev1.Pod){testpods.Observe}, then...), map[string]int32{"web": 1})
		})
	}
}

// expectPlannedAfter fails the test unless a pod, which is asked for its resources, tells of these restarts after all that.
func expectPlannedAfter(t *testing.T, pod *corev1.Pod, then []func(*corev1.Pod), want map[string]int32) {
	t.Helper()
	pod = patchOf(t, pod, inplace.ResizePatch(pod))
	for _, happens := range then {
		happens(pod)
	}
	confirmed(t)(pod)
	expectPlanned(t, pod, want)
}

// noRoom is the kubelet finding that the node has no room for what the pod asks for, and room that there is some.
func noRoom(pod *corev1.Pod) {
	testpods.Observe(pod)
	resizeCondition(corev1.PodResizePending, corev1.PodReasonInfeasible)(pod)
}

func room(pod *corev1.Pod) {
	pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending
	})
}

// confirmed has the controller end the update, as far as it goes.
func confirmed(t *testing.T) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		*pod = *patchOf(t, pod, inplace.WithLastUpdate(inplace.ServePatch(pod, testpods.Start()), pod, nil))
	}
}
