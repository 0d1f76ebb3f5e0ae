package inplace

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// settleMargin is how much longer than the time a container may take to be killed a new container must have stayed to be
// believed to be the last one. It is also how much longer than the grace period a pod must have been unready, by the
// wall clock, to need no further wait: clocks of two machines differ by less.
const settleMargin = 5 * time.Second

// maxGrace is the longest terminationGracePeriodSeconds that is believed. It fits a time.Duration.
const maxGrace = 1<<31 - 1

// Digests tells which digests an image is known to have had, on pods whose update was confirmed.
type Digests func(image string) []string

// confirmer tells which containers of a pod run what they were patched to.
type confirmer struct {
	pod     *corev1.Pod
	state   *State
	seen    *Sighting
	digests Digests
	now     time.Time
}

// unconfirmed returns the containers that were patched and not seen to run their new images, and when time alone may
// change that.
func (c *confirmer) unconfirmed() (names []string, wait time.Duration) {
	for _, name := range c.state.undone() {
		if confirmed, left := c.confirm(name); !confirmed {
			names = append(names, name)
			wait = Sooner(wait, left)
		}
	}
	return names, wait
}

// confirm tells whether a container runs the image that it was patched to. The order of the checks is from certain to
// patient; each one is needed, because a status may show the container of an image asked for in between, about to be
// replaced.
func (c *confirmer) confirm(name string) (bool, time.Duration) {
	spec, _ := container(&c.pod.Spec, name)
	if spec == nil {
		return true, 0
	}
	records := c.state.recordsOf(name)
	if c.pod.Generation < c.state.Generation && len(records) == 1 && records[0].Image == spec.Image {
		return true, 0 // Something had set the image already, or set it back: nothing was changed.
	}
	status := containerStatus(c.pod, name)
	if status == nil || status.State.Running == nil || !reached(c.pod, c.state) {
		return false, 0
	}
	if proven, decided := c.prove(status, records, spec.Image); decided {
		return proven, 0
	}
	return settled(c.pod, c.seen.seenSince(name, status.ContainerID), c.now)
}

// prove tells whether a running container is the wanted one, if that can be told by what it is.
func (c *confirmer) prove(status *corev1.ContainerStatus, records []Record, image string) (proven, decided bool) {
	// A kubelet older than 1.34 reports no generation. Its status may be older than the patch and proves less.
	dated := c.pod.Status.ObservedGeneration != 0
	switch id := status.ContainerID; {
	case recorded(records, id) && !neverReplaced(records, image, id):
		return false, true
	case recorded(records, id):
		return dated, dated
	case dated && c.seen.changedSince(status.Name, id), c.digestProves(records, image, Digest(status.ImageID)):
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
func (c *confirmer) digestProves(records []Record, image, digest string) bool {
	if digest == "" {
		return false
	}
	before := Digest(records[0].ImageID)
	// Every record but the first names an image that was asked for since the last confirmed update.
	onlyOne := !slices.ContainsFunc(records[1:], func(r Record) bool { return r.Image != image })
	if onlyOne && before != "" && before != digest && records[0].Image != image {
		return true
	}
	if !slices.Contains(c.digests(image), digest) {
		return false
	}
	return !slices.ContainsFunc(records, func(r Record) bool {
		return r.Image != image && mayHave(c.digests(r.Image), Digest(r.ImageID), digest)
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
	length := time.Duration(min(max(grace, 0), maxGrace))*time.Second + settleMargin
	left := length - now.Sub(since)
	return left <= 0, min(max(left, 0), length)
}
