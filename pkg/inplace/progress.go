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
	// PhaseRestarting is a pod that was patched and whose containers were not all seen to run their new images.
	PhaseRestarting Phase = "Restarting"
	// PhaseRestarted is a pod whose containers were seen to run their new images, with the gate still off.
	PhaseRestarted Phase = "Restarted"
)

// settleMargin is how much longer than the time a container may take to be killed a new container must have stayed to be
// believed to be the last one. It is also how much longer than the grace period a pod must have been unready, by the
// wall clock, to need no further wait: clocks of two machines differ by less.
const settleMargin = 5 * time.Second

// Progress is how far a pod is, and what is left.
type Progress struct {
	// Phase is how far the pod is.
	Phase Phase
	// Unconfirmed are the containers that were patched and not seen to run their new images.
	Unconfirmed []string
	// Wait is when time alone may bring progress, from now. It is zero if only an event may.
	Wait time.Duration
}

// Digests tells which digests an image is known to have had, on pods whose update was confirmed.
type Digests func(image string) []string

// ProgressOf returns how far a pod is. The sighting may be nil.
func ProgressOf(pod *corev1.Pod, seen *Sighting, digests Digests, now time.Time) Progress {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	switch {
	case gate == nil:
		return Progress{Phase: PhaseNew}
	case gate.Status == corev1.ConditionTrue:
		return Progress{Phase: PhaseInService}
	}
	state := ReadState(pod)
	// The drain noted the generation it found. A state that is no newer belongs to an update that was confirmed before.
	if state == nil || state.Generation <= gate.ObservedGeneration {
		return Progress{Phase: PhaseDraining}
	}
	progress := Progress{Phase: PhaseRestarted}
	for _, name := range state.names() {
		confirmed, wait := confirm(pod, name, state, seen, digests, now)
		if !confirmed {
			progress.Phase = PhaseRestarting
			progress.Unconfirmed = append(progress.Unconfirmed, name)
			progress.Wait = Sooner(progress.Wait, wait)
		}
	}
	return progress
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

// confirm tells whether a container runs the image that it was patched to. The order of the checks is from certain to
// patient; each one is needed, because a status may show the container of an image asked for in between, about to be
// replaced.
func confirm(
	pod *corev1.Pod, name string, state *State, seen *Sighting, digests Digests, now time.Time,
) (bool, time.Duration) {
	spec, _ := container(&pod.Spec, name)
	if spec == nil {
		return true, 0
	}
	records := state.recordsOf(name)
	if pod.Generation < state.Generation && len(records) == 1 && records[0].Image == spec.Image {
		return true, 0 // Something had set the image already, or set it back: nothing was changed.
	}
	status := containerStatus(pod, name)
	if status == nil || status.State.Running == nil || !reached(pod, state) {
		return false, 0
	}
	if proven, decided := prove(pod, status, records, seen, digests, spec.Image); decided {
		return proven, 0
	}
	return settled(pod, seen.seenSince(name, status.ContainerID), now)
}

// prove tells whether a running container is the wanted one, if that can be told by what it is.
func prove(
	pod *corev1.Pod, status *corev1.ContainerStatus, records []Record, seen *Sighting, digests Digests, image string,
) (proven, decided bool) {
	// A kubelet older than 1.34 reports no generation. Its status may be older than the patch and proves less.
	dated := pod.Status.ObservedGeneration != 0
	switch id := status.ContainerID; {
	case recorded(records, id) && !neverReplaced(records, image, id):
		return false, true
	case recorded(records, id):
		return dated, dated
	case dated && seen.changedSince(status.Name, id), digestProves(records, image, Digest(status.ImageID), digests):
		return true, true
	}
	return false, false
}

// neverReplaced tells whether the container is the one recorded for the image that is wanted again: the kubelet was
// asked back before it acted, and no restart will come.
func neverReplaced(records []Record, image, containerID string) bool {
	return slices.ContainsFunc(records, func(r Record) bool {
		return r.Image == image && r.ContainerID == containerID
	})
}

// digestProves tells whether the digest can only be that of the wanted image.
func digestProves(records []Record, image, digest string, digests Digests) bool {
	if digest == "" {
		return false
	}
	before := Digest(records[0].ImageID)
	// Every record but the first names an image that was asked for since the last confirmed update.
	onlyOne := !slices.ContainsFunc(records[1:], func(r Record) bool { return r.Image != image })
	if onlyOne && before != "" && before != digest && records[0].Image != image {
		return true
	}
	if !slices.Contains(digests(image), digest) {
		return false
	}
	return !slices.ContainsFunc(records, func(r Record) bool {
		return r.Image != image && mayHave(digests(r.Image), Digest(r.ImageID), digest)
	})
}

// mayHave tells whether an image may have a digest: it had it, or nothing is known of it.
func mayHave(known []string, last, digest string) bool {
	return slices.Contains(known, digest) || last == digest || (len(known) == 0 && last == "")
}

// settled tells whether a container has stayed for longer than the kubelet can take to kill it, and if not, for how much
// longer it has to.
func settled(pod *corev1.Pod, since, now time.Time) (bool, time.Duration) {
	if since.IsZero() {
		return false, 0
	}
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = *pod.Spec.TerminationGracePeriodSeconds
	}
	left := time.Duration(grace)*time.Second + settleMargin - now.Sub(since)
	return left <= 0, max(left, 0)
}

// IsDrained tells whether a pod whose gate is off was seen out of service: the kubelet reports it not ready, and no
// endpoint of it is serving.
func IsDrained(pod *corev1.Pod, serving bool) bool {
	ready := Condition(pod, corev1.PodReady)
	return !serving && ready != nil && ready.Status == corev1.ConditionFalse
}

// DrainLeft returns for how much longer a draining pod has to be left alone before it is patched, and whether that is
// known: the pod has to be seen drained first. A process that was not there when the pod was drained counts anew. No
// more waiting is needed for a pod that has been unready for the grace period and settleMargin.
func DrainLeft(pod *corev1.Pod, seen *Sighting, grace time.Duration, now time.Time) (left time.Duration, drained bool) {
	if seen == nil || seen.DrainedSince.IsZero() {
		return 0, false
	}
	if since, ok := unreadySince(pod, seen); ok && now.Sub(since) > grace+settleMargin {
		return 0, true
	}
	return max(grace-now.Sub(seen.DrainedSince), 0), true
}

// unreadySince returns since when a pod is not ready. What this process saw goes before what the pod says: a node that
// was cut off tells late, and the service proxies learn of it only then.
func unreadySince(pod *corev1.Pod, seen *Sighting) (time.Time, bool) {
	if !seen.unreadySince.IsZero() {
		return seen.unreadySince, true
	}
	ready := Condition(pod, corev1.PodReady)
	if ready == nil {
		return time.Time{}, false
	}
	return ready.LastTransitionTime.Time, true
}

// KnownDigests returns which digests images have on pods whose gate is on: their containers were seen to run them.
func KnownDigests(pods []*corev1.Pod) map[string][]string {
	known := map[string][]string{}
	for _, pod := range pods {
		gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if gate == nil || gate.Status != corev1.ConditionTrue {
			continue
		}
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				status := containerStatus(pod, list[i].Name)
				if status == nil || status.State.Running == nil {
					continue
				}
				digest := Digest(status.ImageID)
				if digest != "" && !slices.Contains(known[list[i].Image], digest) {
					known[list[i].Image] = append(known[list[i].Image], digest)
				}
			}
		}
	}
	return known
}
