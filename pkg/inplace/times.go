package inplace

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// step is what ends one phase of an update and begins the next. The steps are taken in this order.
type step int

const (
	stepWithdrawn step = iota // The gate is off.
	stepPatched               // The pod asks for the new images.
	stepTaken                 // The kubelet acts on that.
	stepRunning               // The new containers run.
	stepServed                // The gate is on.
	stepReady                 // The kubelet reports the pod ready.
	stepBack                  // Every EndpointSlice that lists the pod has it serving.
	steps
)

// Times are when one process saw the steps of an in-place update of a pod, by a monotonic clock. They are lost with the
// process. Of a step that was taken before the process saw the pod, or that was seen together with a later one, it is not
// known when; nor is it known of the phases that the step ends and begins how long they took. Nothing is guessed. Times are
// not changed: what adds to them returns others.
type Times struct {
	taken [steps]bool
	at    [steps]time.Time
	// latest is the last time that is among them. Two watches may tell the time in another order than they tell of steps.
	latest time.Time
	// out tells that the pod goes out of service for the update.
	out bool
	// revision is that which the pod's label names.
	revision string
	// unlisted tells that no EndpointSlice lists the pod.
	unlisted bool
	// containers are those that run since at[stepRunning].
	containers string

	// waits is since when the update waits for images, and waited for how long it did before.
	waits  time.Time
	waited time.Duration
	// attended tells that the process would have seen all of that.
	attended bool
}

// See returns the times with a further status of the pod in them, after the one before, which is nil in the first one that
// a process sees. The receiver may be nil, and so is what is returned where no update is on its way. Attended tells that
// the pod would have been seen waiting for images if it had. Ended are the times of an update that is over: it was made in
// service, or the next one began before all endpoints were back.
func (t *Times) See(before, pod *corev1.Pod, attended bool, now time.Time) (next, ended *Times) {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	switch {
	case gate == nil:
		return nil, nil
	case isOn(gate):
		return t.seeServing(before, pod, attended, now)
	case t == nil:
		t = &Times{attended: attended}
	case t.taken[stepServed]:
		t, ended = &Times{attended: attended && t.attended}, t
	case !t.out:
		t = t.waiting()
	}
	var shows [steps]bool
	if !madeInService(pod) { // That would be of the time before the drain.
		shows = restartOf(pod)
	}
	shows[stepWithdrawn] = true
	next = t.with(shows, before != nil, pod, now)
	next.out = true
	return next, ended
}

// seeServing returns the times with a further status of a pod in them whose gate is on.
func (t *Times) seeServing(before, pod *corev1.Pod, attended bool, now time.Time) (next, ended *Times) {
	switch open := IsOpen(pod); {
	case t == nil && !open:
		return nil, nil
	case t == nil:
		t = &Times{attended: attended}
	case t.out && !t.taken[stepPatched]:
		return t.waiting(), nil // It was brought back without an update.
	case t.out:
		shows := t.taken
		shows[stepServed], shows[stepReady] = true, t.taken[stepReady] || SaysReady(pod)
		return t.with(shows, before != nil, pod, now), nil
	case !open && t.taken[stepPatched]:
		return nil, t
	case !open:
		return t, nil // It waits for images.
	}
	return t.with(restartOf(pod), before != nil, pod, now), nil
}

// restartOf tells which of the steps of a restart a pod shows.
func restartOf(pod *corev1.Pod) (shows [steps]bool) {
	if state := openState(pod); state != nil {
		shows[stepPatched] = true
		shows[stepTaken] = isTakenUp(pod, state)
		shows[stepRunning] = shows[stepTaken] && !slices.ContainsFunc(state.undone(),
			func(name string) bool { return !looksRestarted(pod, state, name) })
	}
	return shows
}

// madeInService tells whether what is not confirmed yet was patched in service.
func madeInService(pod *corev1.Pod) bool {
	state := openState(pod)
	return state != nil && state.InService
}

// isTakenUp tells whether the kubelet was seen to act on a patch: it reports the patch's generation, which it does just
// before it stops the old containers. One that reports no generation is seen to act when they do not run any more.
func isTakenUp(pod *corev1.Pod, state *State) bool {
	if pod.Status.ObservedGeneration != 0 {
		return reached(pod, state)
	}
	return !slices.ContainsFunc(state.undone(), func(name string) bool {
		status := containerStatus(pod, name)
		return status != nil && status.State.Running != nil && recorded(state.recordsOf(name), status.ContainerID)
	})
}

// looksRestarted tells whether a container runs that is none of those that ran before the patch, or one of the very image
// that is wanted again.
func looksRestarted(pod *corev1.Pod, state *State, name string) bool {
	spec, _ := container(&pod.Spec, name)
	status := containerStatus(pod, name)
	if spec == nil || status == nil || status.State.Running == nil {
		return spec == nil
	}
	records := state.recordsOf(name)
	return !recorded(records, status.ContainerID) || neverReplaced(records, spec.Image, status.ContainerID)
}

// with returns the times with what the pod shows in them. Of steps that are seen together it is known of the last one alone
// when it was taken; of those that a process sees first, of none.
func (t *Times) with(shows [steps]bool, known bool, pod *corev1.Pod, now time.Time) *Times {
	next, containers := *t, containerIDs(pod)
	next.revision, next.latest = pod.Labels[appsv1beta1.RevisionLabel], later(t.latest, now)
	if t.taken[stepRunning] && !shows[stepServed] && (!shows[stepRunning] || containers != t.containers) {
		next.taken[stepRunning], next.at[stepRunning] = false, time.Time{} // It was not the last container.
	}
	last := next.take(shows)
	if last != steps && known {
		next.at[last] = next.latest
	}
	if last == stepRunning {
		next.containers = containers
	}
	return &next
}

// take adds the steps that are shown, and returns the last one that was not there before.
func (t *Times) take(shows [steps]bool) (last step) {
	last = steps
	for s := range steps {
		if shows[s] && !t.taken[s] {
			t.taken[s], last = true, s
		}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func containerIDs(pod *corev1.Pod) string {
	var ids []string
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range statuses {
			ids = append(ids, statuses[i].ContainerID)
		}
	}
	return strings.Join(ids, " ")
}

// waiting returns the times of an update of which nothing is seen but that it waits, or waited, for images.
func (t *Times) waiting() *Times {
	return &Times{waits: t.waits, waited: t.waited, attended: t.attended}
}

// SeeWaiting returns the times with whether the update of the pod waits for images. The receiver may be nil. Attended tells
// that the beginning of the waiting was seen.
func (t *Times) SeeWaiting(waits, attended bool, now time.Time) *Times {
	if t == nil {
		if !waits {
			return nil
		}
		return &Times{waits: now, attended: attended}
	}
	next := *t
	switch {
	case waits && t.taken[stepServed]: // It is the next update that waits, and its times have not begun.
		next.attended = false
	case waits && t.waits.IsZero():
		next.waits = now
	case !waits && !t.waits.IsZero():
		next.waited, next.waits = t.waited+max(now.Sub(t.waits), 0), time.Time{}
	}
	return &next
}

// Revision returns the name of the revision that the pod is updated to, once it is.
func (t *Times) Revision() string { return t.revision }

// Waits tells that the update waits for images.
func (t *Times) Waits() bool { return t != nil && !t.waits.IsZero() }

// IsBegun tells that something was done to the pod.
func (t *Times) IsBegun() bool { return t != nil && (t.out || t.taken[stepPatched]) }

// AwaitsEndpoints tells that all that is missing is that the pod's endpoints serve.
func (t *Times) AwaitsEndpoints() bool { return t != nil && t.taken[stepReady] && !t.taken[stepBack] }

// SeeEndpoints returns the times of an update that awaits endpoints, and ends: every EndpointSlice that lists the pod has
// it serving, or none lists it.
func (t *Times) SeeEndpoints(listed bool, now time.Time) *Times {
	next := *t
	if next.unlisted = !listed; listed {
		next.latest = later(t.latest, now)
		next.taken[stepBack], next.at[stepBack] = true, next.latest
	}
	return &next
}

// Took returns how long the phases took that are over and of which that is known. The receiver may be nil.
func (t *Times) Took() Took {
	took := Took{}
	if t == nil {
		return took
	}
	if t.attended && t.waits.IsZero() {
		took[appsv1beta1.UpdateRehearse] = t.waited
	}
	end := stepBack
	if t.unlisted {
		end = stepReady
	}
	for phase, between := range map[appsv1beta1.UpdatePhase][2]step{
		appsv1beta1.UpdateDrain: {stepWithdrawn, stepPatched}, appsv1beta1.UpdateStop: {stepPatched, stepTaken},
		appsv1beta1.UpdateStart: {stepTaken, stepRunning}, appsv1beta1.UpdateReady: {stepRunning, stepReady},
		appsv1beta1.UpdateEndpoints: {stepReady, stepBack}, appsv1beta1.UpdateOutOfService: {stepWithdrawn, end},
	} {
		if from, to := t.at[between[0]], t.at[between[1]]; !from.IsZero() && !to.IsZero() {
			took[phase] = to.Sub(from)
		}
	}
	return took
}

// Took is how long the phases of an update took. One that is missing is not known, or there was none.
type Took map[appsv1beta1.UpdatePhase]time.Duration

// UpdatePhases returns the phases in the order in which they are told.
func UpdatePhases() []appsv1beta1.UpdatePhase {
	return []appsv1beta1.UpdatePhase{
		appsv1beta1.UpdateRehearse, appsv1beta1.UpdateDrain, appsv1beta1.UpdateStop, appsv1beta1.UpdateStart,
		appsv1beta1.UpdateReady, appsv1beta1.UpdateEndpoints, appsv1beta1.UpdateOutOfService,
	}
}
