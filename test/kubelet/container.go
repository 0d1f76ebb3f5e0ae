package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 300 * time.Second
	// resyncInterval is how long a kubelet leaves a pod alone at the most.
	resyncInterval = time.Minute
)

// container is what a kubelet knows of one container of a pod beside its spec.
type container struct {
	name    string
	init    bool // an init container, native sidecars included
	sidecar bool // an init container that is to keep running
	index   int  // in spec.containers or spec.initContainers

	current  *instance // the newest one, running or ended; nil before the first start
	previous *instance
	waiting  *corev1.ContainerStateWaiting // why the newest start failed

	allocated corev1.ResourceRequirements // what it was given
	granted   corev1.ResourceRequirements // the same when the sync began that runs

	restartBackOff map[string]*backOff // by image string
	pullBackOff    map[string]*backOff
	pullErrors     map[string]string
}

// instance is one run of a container.
type instance struct {
	id, image, digest string
	startedAt         time.Time
	ended             *corev1.ContainerStateTerminated
	endedAt           time.Time
	restarts          int32
	started, ready    bool
	// passing is the newest result of the readiness probe, if there is one.
	passing bool
	stop    time.Duration
	// resources are those that it has.
	resources *corev1.ResourceRequirements
}

// running tells whether the container runs right now, whatever any status says.
func (c *container) running() bool { return c.current != nil && c.current.ended == nil }

// done tells whether the container ended well and for good.
func (c *container) done() bool {
	return c.current != nil && c.current.ended != nil && c.current.ended.ExitCode == 0
}

func (c *container) spec(pod *corev1.Pod) *corev1.Container {
	if c.init {
		return &pod.Spec.InitContainers[c.index]
	}
	return &pod.Spec.Containers[c.index]
}

// restarts tells whether the container is started again after it ended.
func (c *container) restarts(pod *corev1.Pod) bool {
	switch {
	case c.current == nil || c.sidecar:
		return true
	case c.init && c.done():
		return false
	}
	policy := pod.Spec.RestartPolicy
	return policy == corev1.RestartPolicyAlways || policy == corev1.RestartPolicyOnFailure && !c.done()
}

// outdated tells whether the container has to be killed because another image is wanted. A sidecar whose startup probe
// has not passed is left alone until it has; an ordinary init container is never killed.
func (c *container) outdated(pod *corev1.Pod) bool {
	if !c.running() || (c.current.image == c.spec(pod).Image && !c.restartsToResize(pod)) {
		return false
	}
	return !c.init || c.sidecar && c.current.started
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// newContainers lists the containers of a pod, init containers first, in the order of the spec.
func newContainers(pod *corev1.Pod) []*container {
	var all []*container
	for i, c := range pod.Spec.InitContainers {
		all = append(all, newContainer(c.Name, i, true, isSidecar(&c)))
	}
	for i, c := range pod.Spec.Containers {
		all = append(all, newContainer(c.Name, i, false, false))
	}
	return all
}

func newContainer(name string, index int, init, sidecar bool) *container {
	return &container{
		name: name, index: index, init: init, sidecar: sidecar,
		restartBackOff: map[string]*backOff{}, pullBackOff: map[string]*backOff{}, pullErrors: map[string]string{},
	}
}

// backOff is a growing delay between attempts.
type backOff struct {
	delay   time.Duration
	updated time.Time
}

// since tells whether an attempt has to wait, and until when, counted from the event that it reacts to.
func (b *backOff) since(event, now time.Time) (time.Time, bool) {
	if b.expired(event) {
		return time.Time{}, false
	}
	end := event.Add(b.delay)
	return end, now.Before(end)
}

// sinceUpdate is the same counted from the last attempt.
func (b *backOff) sinceUpdate(now time.Time) bool {
	return !b.expired(now) && now.Before(b.updated.Add(b.delay))
}

// grow returns the back-off after one more event; one that was not needed for long starts over.
func (b *backOff) grow(event, now time.Time) *backOff {
	if b.expired(event) {
		return &backOff{delay: firstBackOff, updated: now}
	}
	return &backOff{delay: min(2*b.delay, maxBackOff), updated: now}
}

func (b *backOff) expired(event time.Time) bool {
	return b == nil || event.Sub(b.updated) > 2*maxBackOff
}
