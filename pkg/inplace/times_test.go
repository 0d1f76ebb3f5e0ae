package inplace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

const (
	rehearse  = appsv1beta1.UpdateRehearse
	drain     = appsv1beta1.UpdateDrain
	stop      = appsv1beta1.UpdateStop
	start     = appsv1beta1.UpdateStart
	toReady   = appsv1beta1.UpdateReady
	endpoints = appsv1beta1.UpdateEndpoints
	out       = appsv1beta1.UpdateOutOfService
)

// timed is the update of a pod of which a process takes the times.
type timed struct {
	*rollout
	before       *corev1.Pod
	times, ended *inplace.Times
}

// after lets a time pass, has something happen, and the process see it.
func (u *timed) after(seconds float64, happens func()) {
	u.t.Helper()
	u.wait(time.Duration(seconds * float64(time.Second)))
	happens()
	u.look(u.before)
}

func (u *timed) look(before *corev1.Pod) {
	next, ended := u.times.See(before, u.pod, true, u.now)
	if u.times, u.before = next, u.pod; ended != nil {
		u.ended = ended
	}
}

// leave takes the pod out of service, which the kubelet follows at once.
func (u *timed) leave() {
	u.drain()
	u.notReady()
}

// toV2 and toV3 patch the pod.
func (u *timed) toV2()     { u.patch("v2", map[string]string{"web": "app:b"}) }
func (u *timed) toV3()     { u.patch("v3", map[string]string{"web": "app:c"}) }
func (u *timed) observed() { u.kubelet(testpods.Observe) }
func (u *timed) runs()     { u.kubelet(run("web", 2, "app:b")) }
func (u *timed) notReady() { u.kubelet(isReady(corev1.ConditionFalse)) }
func (u *timed) isReady()  { u.kubelet(isReady(corev1.ConditionTrue)) }

func isReady(status corev1.ConditionStatus) func(*corev1.Pod) {
	return testpods.Condition(corev1.PodReady, status, testpods.Start())
}

// back has every EndpointSlice that lists the pod have it serving, if any does.
func (u *timed) back(listed bool) {
	u.t.Helper()
	if !u.times.AwaitsEndpoints() {
		u.t.Fatal("the update does not wait for endpoints")
	}
	u.ended, u.times = u.times.SeeEndpoints(listed, u.now), nil
}

// restarted forgets all, as a new process that begins with the pod as it is.
func (u *timed) restarted() {
	u.times = nil
	u.look(nil)
}

func TestTimes(t *testing.T) {
	s := time.Second
	for name, test := range map[string]struct {
		update func(*timed)
		want   inplace.Took
	}{
		"an update of which every step is seen": {func(u *timed) {
			u.after(0, u.drain)
			u.after(1, u.notReady)
			u.after(2, u.toV2)
			u.after(0.5, u.observed)
			u.after(4, u.runs)
			u.after(1, u.serve)
			u.after(7, u.isReady)
			u.wait(s)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s / 2, start: 4 * s, toReady: 8 * s, endpoints: s, out: 16*s + s/2}},
		"a pod that no EndpointSlice lists": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.wait(s)
			u.back(false)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: s, toReady: 2 * s, out: 7 * s}},
		"a kubelet that is first heard of when the new container runs": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(5, func() { u.kubelet(testpods.Observe, run("web", 2, "app:b")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, toReady: 2 * s, endpoints: 0, out: 10 * s}},
		"a manager that starts during the drain": {func(u *timed) {
			u.after(0, u.leave)
			u.after(1, u.restarted)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(2, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, stop: s, start: 2 * s, toReady: 2 * s, endpoints: 0}},
		"a manager that starts during the restart": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.restarted()
			u.after(2, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, toReady: 2 * s, endpoints: 0}},
		"a watch that was cut off while the pod was patched and restarted": {func(u *timed) {
			u.after(0, u.leave)
			u.wait(5 * s)
			u.toV2()
			u.after(3, func() { u.kubelet(testpods.Observe, run("web", 2, "app:b")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, toReady: 2 * s, endpoints: 0, out: 10 * s}},
		"a template that changes in between": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.toV3)
			u.after(1, u.observed)
			u.after(2, func() { u.kubelet(run("web", 3, "app:c")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: 5 * s, toReady: 2 * s, endpoints: 0, out: 11 * s}},
		"a container that crashes at first": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, func() { u.kubelet(waiting("web", "CrashLoopBackOff", "")) })
			u.after(9, func() { u.kubelet(run("web", 3, "app:b")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: 11 * s, toReady: 2 * s, endpoints: 0, out: 17 * s}},
		"a pod whose images are pulled first": {func(u *timed) {
			u.times = u.times.SeeWaiting(true, true, u.now)
			u.wait(4 * s)
			u.times = u.times.SeeWaiting(true, true, u.now)
			u.wait(s)
			u.times = u.times.SeeWaiting(false, true, u.now)
			u.after(9, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(0, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 5 * s, drain: 3 * s, stop: s, start: s, toReady: s, endpoints: 0, out: 6 * s}},
		"a pod of which nobody saw since when it waited for images": {func(u *timed) {
			u.times = u.times.SeeWaiting(true, false, u.now)
			u.wait(4 * s)
			u.times = u.times.SeeWaiting(false, true, u.now)
			u.after(9, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(0, u.isReady)
			u.back(true)
		}, inplace.Took{drain: 3 * s, stop: s, start: s, toReady: s, endpoints: 0, out: 6 * s}},
		"a pod that waited for images, and was brought back once before": {func(u *timed) {
			u.times = u.times.SeeWaiting(true, true, u.now)
			u.wait(4 * s)
			u.times = u.times.SeeWaiting(false, true, u.now)
			u.after(9, u.leave)
			u.after(1, u.serve)
			u.after(9, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(0, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 4 * s, drain: 3 * s, stop: s, start: s, toReady: s, endpoints: 0, out: 6 * s}},
		"the next update waits for images before the endpoints are back": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.times = u.times.SeeWaiting(true, true, u.now)
			u.after(1, u.leave)
			u.times = u.times.SeeWaiting(false, true, u.now)
			u.after(3, u.toV3)
			u.after(1, u.observed)
			u.after(2, func() { u.kubelet(run("web", 3, "app:c")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{drain: 3 * s, stop: s, start: 2 * s, toReady: 2 * s, endpoints: 0, out: 8 * s}},
		"the next update begins before the endpoints are back": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.after(1, u.leave)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: s, toReady: 2 * s}},
		"endpoints that are told of before the pod is": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(1, u.runs)
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.wait(-s / 2) // The handler of the other watch has read the clock before.
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: s, toReady: 2 * s, endpoints: 0, out: 7 * s}},
		"a container of an image in between that is replaced between two statuses": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, func() { u.kubelet(testpods.Observe, waiting("web", "ContainerCreating", "")) })
			u.after(1, u.toV3)
			u.after(1, func() { u.kubelet(testpods.Observe, run("web", 2, "app:b")) })
			u.after(4, func() { u.kubelet(run("web", 3, "app:c")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: 6 * s, toReady: 2 * s, endpoints: 0, out: 12 * s}},
		"a clock that goes back": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(-2, u.runs)
			u.after(1, u.serve)
			u.after(2, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: 0, toReady: s, endpoints: 0, out: 5 * s}},
		"a patch in service that a drain follows before it is confirmed": {func(u *timed) {
			u.rules = inplace.Rules{"log": {NoDrain: true}}
			u.after(0, func() { u.patch("v1b", map[string]string{"log": "log:2"}) })
			u.after(1, u.observed)
			u.after(1, u.leave)
			u.after(3, u.toV2)
			u.after(1, u.observed)
			u.after(2, func() { u.kubelet(run("log", 2, "log:2"), run("web", 2, "app:b")) })
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, drain: 3 * s, stop: s, start: 2 * s, toReady: 2 * s, endpoints: 0, out: 8 * s}},
		"a patch that changed nothing": {func(u *timed) {
			u.after(0, u.leave)
			u.after(3, func() {
				before := u.pod.Generation
				u.toV2()
				u.pod.Spec.Containers[0].Image, u.pod.Generation = "app:a", before
			})
			u.after(1, u.serve)
			u.after(1, u.isReady)
			u.back(true)
		}, inplace.Took{rehearse: 0, toReady: 2 * s, endpoints: 0, out: 5 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			u := &timed{rollout: serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))}
			u.look(nil)
			test.update(u)
			if diff := cmp.Diff(test.want, u.ended.Took(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
		})
	}
}

// A kubelet that reports no generation is seen to act when the old container does not run any more.
func TestTimesOnAnOldCluster(t *testing.T) {
	u := &timed{rollout: onOldCluster(t)}
	u.look(nil)
	u.after(0, u.leave)
	u.after(3, u.toV2)
	u.after(1, func() { u.kubelet() })
	u.after(1, func() { u.kubelet(waiting("web", "ContainerCreating", "")) })
	u.after(4, u.runs)
	want := inplace.Took{rehearse: 0, drain: 3 * time.Second, stop: 2 * time.Second, start: 4 * time.Second}
	if diff := cmp.Diff(want, u.times.Took()); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

// Of several containers that are restarted one after the other, the restart begins with the first and ends with the last.
func TestTimesOfContainersInOrder(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))}
	u.rules = inplace.Rules{"web": {Priority: 1}}
	u.look(nil)
	u.after(0, u.leave)
	u.after(3, func() { u.patch("v2", map[string]string{"web": "app:b", "log": "log:2"}) })
	u.after(1, u.observed)
	u.after(2, u.runs)
	u.after(1, u.goOn)
	u.after(1, u.observed)
	u.after(2, func() { u.kubelet(run("log", 2, "log:2")) })
	want := inplace.Took{rehearse: 0, drain: 3 * time.Second, stop: time.Second, start: 6 * time.Second}
	if diff := cmp.Diff(want, u.times.Took()); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

// A pod that is updated in service has a restart and nothing else.
func TestTimesInService(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))}
	u.look(nil)
	u.after(0, u.toV2)
	u.after(1, u.observed)
	u.after(2, u.runs)
	u.after(1, func() { u.apply(inplace.WithLastUpdate(inplace.ConfirmPatch(u.pod), u.pod, u.times)) })
	if diff := cmp.Diff(inplace.Took{rehearse: 0, stop: time.Second, start: 2 * time.Second}, u.ended.Took()); diff != "" || u.times != nil {
		t.Errorf("phases (-want +got):\n%s\n%+v", diff, u.times)
	}
}

// A pod that is drained and brought back without an update has none.
func TestNoTimesOfARestoredPod(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"))}
	u.look(nil)
	u.after(0, u.leave)
	u.after(1, u.serve)
	if u.times.IsBegun() || u.times.AwaitsEndpoints() || u.ended != nil {
		t.Errorf("got %+v, %+v", u.times, u.ended)
	}
}
