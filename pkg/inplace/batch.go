package inplace

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Next returns what UpdatePatch does to the containers of a pod: the images that it sets, and the containers that have to
// wait until what is patched now runs. An image that the pod asks for already restarts nothing and waits for nothing; nor
// does a native sidecar that does not run: no container starts before it has. Where nothing ever ran nothing waits.
func Next(pod *corev1.Pod, target Target, change Change, progress Progress) (now []Image, pending []string) {
	wanted := wantedImages(pod, target, change, &progress)
	if NeverRan(pod) {
		return wanted, nil
	}
	waits := func(i Image) bool { return i.Restarts && changes(&pod.Spec, i) }
	first := progress.held()
	for _, i := range wanted {
		if waits(i) {
			first = append(first, i.Container)
		}
	}
	top := target.Rules.highest(first)
	for _, i := range wanted {
		if waits(i) && target.Rules[i.Container].Priority < top && !isDown(pod, i.Container) {
			pending = append(pending, i.Container)
		} else {
			now = append(now, i)
		}
	}
	return now, pending
}

// highest returns the highest priority of some containers, of which there is one at least where it matters.
func (r Rules) highest(names []string) int32 {
	var top int32
	for at, name := range names {
		if priority := r[name].Priority; at == 0 || priority > top {
			top = priority
		}
	}
	return top
}

// changes tells whether an image is another than the one that the pod asks for.
func changes(spec *corev1.PodSpec, image Image) bool {
	c, _ := container(spec, image.Container)
	return c != nil && c.Image != image.Image
}

// held returns the containers for which those of a lower priority have to wait: they were patched, and do not run or are
// not ready. One that is to be patched again is waited for only after that.
func (p *Progress) held() []string {
	held := slices.Clone(p.Unready)
	for _, name := range p.Unconfirmed {
		if !slices.Contains(p.Pending, name) {
			held = append(held, name)
		}
	}
	return held
}

// MayGoOn tells whether the pod has containers that wait for others to run, and that wait no longer. The next UpdatePatch,
// with a change that may be empty, patches them.
func (p *Progress) MayGoOn() bool { return len(p.Pending) > 0 && (p.Down || len(p.held()) == 0) }

// isDown tells whether a container is a native sidecar that does not run, so that others cannot start.
func isDown(pod *corev1.Pod, name string) bool {
	c, init := container(&pod.Spec, name)
	status := containerStatus(pod, name)
	return c != nil && init && isSidecar(c) && (status == nil || status.State.Running == nil)
}

// pendingOf returns the containers that a state says are still to be patched, of those that the pod has and that a patch
// restarts.
func pendingOf(pod *corev1.Pod, state *State) []string {
	var names []string
	for _, name := range state.Pending {
		c, init := container(&pod.Spec, name)
		if c != nil && (!init || isSidecar(c)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// unreadyOf returns the containers patched so far that run and are not ready, or have not started.
func unreadyOf(pod *corev1.Pod, state *State, progress *Progress) []string {
	var names []string
	for _, name := range state.names(func(Record) bool { return true }) {
		waits := slices.Contains(progress.Unconfirmed, name) || slices.Contains(progress.Pending, name)
		if !waits && !isContainerReady(pod, name) {
			names = append(names, name)
		}
	}
	return names
}

// isContainerReady tells whether a container is ready and, if it is a native sidecar, has started. One that the pod lacks
// is nothing to wait for.
func isContainerReady(pod *corev1.Pod, name string) bool {
	c, init := container(&pod.Spec, name)
	if c == nil {
		return true
	}
	status := containerStatus(pod, name)
	if status == nil || !status.Ready {
		return false
	}
	return !init || (status.Started != nil && *status.Started)
}
