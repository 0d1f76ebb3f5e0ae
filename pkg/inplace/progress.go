package inplace

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Phase is how far a pod is in an in-place update.
type Phase string

const (
	// PhaseNew is a pod whose gate was never set.
	PhaseNew Phase = "New"
	// PhaseInService is a pod whose gate is on.
	PhaseInService Phase = "InService"
	// PhaseDraining is a pod whose gate is off and that was not patched since.
	PhaseDraining Phase = "Draining"
	// PhaseRestarting is a pod that was patched and whose containers were not all seen to run their new images, or were
	// not all patched yet, or are to be restarted with other resources.
	PhaseRestarting Phase = "Restarting"
	// PhaseRestarted is a pod whose containers were seen to run their new images, and that was not confirmed yet: by
	// ServePatch, or, if it stayed in service, by ConfirmPatch.
	PhaseRestarted Phase = "Restarted"
)

// Progress is how far a pod is, and what is left.
type Progress struct {
	// Phase is how far the pod is.
	Phase Phase
	// InService tells that the pod's gate is on.
	InService bool
	// Unconfirmed are the containers that were patched and not seen to run their new images.
	Unconfirmed []string
	// Pending are the containers that are still to be patched, after those that were.
	Pending []string
	// Down tells that one of the pending containers is a native sidecar that does not run: it waits for nothing.
	Down bool
	// Unready are, while others are pending, the containers that were seen to run their new images and are not ready.
	Unready []string
	// Resize is how far the change of the pod's cpu and memory is.
	Resize Resizing
	// Wait is when time alone may bring progress, from now. It is zero if only an event may.
	Wait time.Duration
}

// ProgressOf returns how far a pod is. The sighting may be nil.
func ProgressOf(pod *corev1.Pod, seen *Sighting, digests Digests, now time.Time) Progress {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	if gate == nil {
		return Progress{Phase: PhaseNew}
	}
	progress := Progress{Phase: PhaseDraining, InService: isOn(gate)}
	if progress.InService {
		progress.Phase = PhaseInService
	}
	if !mayBeOpen(pod, gate) {
		return progress
	}
	if state := seen.stateOf(pod); state != nil {
		progress.tell(pod, state, gate, &confirmer{pod: pod, state: state, seen: seen, digests: digests, now: now})
	}
	return progress
}

// tell adds what the state tells.
func (p *Progress) tell(pod *corev1.Pod, state *State, gate *corev1.PodCondition, c *confirmer) {
	open := isOpen(pod, state, gate)
	if open {
		p.Unconfirmed, p.Wait = c.unconfirmed()
	}
	if p.Pending = pendingOf(pod, state); len(p.Pending) > 0 {
		p.Unready = unreadyOf(pod, state, p)
		p.Down = slices.ContainsFunc(p.Pending, func(name string) bool { return isDown(pod, name) })
	}
	p.Resize = resizingOf(pod, state)
	if !p.InService && (!open || state.InService) {
		return // It was not patched since it is out of service.
	}
	switch {
	case len(p.Unconfirmed)+len(p.Pending) > 0:
		p.Phase = PhaseRestarting
	case open && (!p.InService || len(state.undone()) > 0):
		p.Phase = PhaseRestarted
	}
	p.hold()
}

// Sooner returns the shorter of two waits, where zero is no wait at all.
func Sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// askedAt returns the generation at which the pod asks for the images that it asks for. It is below that of the State if
// the patch changed nothing.
func askedAt(pod *corev1.Pod, state *State) int64 { return min(state.Generation, pod.Generation) }

// reached tells whether a pod's status is one of the patch or later: the kubelet knows the images that it asked for.
func reached(pod *corev1.Pod, state *State) bool {
	observed := pod.Status.ObservedGeneration
	return observed == 0 || observed >= askedAt(pod, state)
}
