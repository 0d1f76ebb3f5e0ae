package kubelet

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// converge lists the steps towards the spec: all kills first, in no particular order, then the starts one by one.
func (w *worker) converge(pod *corev1.Pod) []step {
	var script []step
	if !w.sandboxed {
		script = append(script, w.sandbox())
	}
	outdated := map[*container]bool{}
	for _, i := range w.rng.Perm(len(w.containers)) {
		if c := w.containers[i]; c.outdated(pod) {
			outdated[c] = true
			script = append(script, w.kill(pod, c))
		}
	}
	if slices.ContainsFunc(w.containers, func(c *container) bool { return !outdated[c] && c.isResizing() }) {
		script = append(script, w.resize())
	}
	for _, c := range w.toStart(pod, outdated) {
		script = append(script, w.start(pod, c)...)
	}
	return script
}

func (w *worker) sandbox() step {
	return step{
		begin: func() time.Duration { return w.opts.Timing.Sandbox },
		end:   func() { w.sandboxed, w.changed = true, true },
	}
}

// toStart picks the containers that a sync starts: one init container at a time, and after the last all that is missing.
func (w *worker) toStart(pod *corev1.Pod, outdated map[*container]bool) []*container {
	if !w.initialized {
		next, complete := w.nextInit(outdated)
		if next != nil {
			return []*container{next}
		}
		if !complete {
			return nil
		}
		w.initialized = true
	}
	var start []*container
	for _, c := range w.containers {
		if c.init && !c.sidecar {
			continue
		}
		if outdated[c] || !c.running() && c.restarts(pod) {
			start = append(start, c)
		}
	}
	return start
}

// nextInit returns the init container to start now; nil and false while one of them has to be waited for.
func (w *worker) nextInit(outdated map[*container]bool) (next *container, complete bool) {
	for _, c := range w.containers {
		switch {
		case !c.init:
			return nil, true
		case outdated[c]:
			return c, false
		case c.sidecar && c.running() && c.current.started, !c.sidecar && c.done():
			continue
		case c.running():
			return nil, false
		default:
			return c, false
		}
	}
	return nil, true
}

// kill stops a container: its preStop hook, then the time it takes to end, but no longer than the grace period.
func (w *worker) kill(pod *corev1.Pod, c *container) step {
	grace := gracePeriod(pod)
	took, _ := w.stopTime(pod, c, grace)
	return step{
		begin: func() time.Duration { return took },
		end: func() {
			w.changed = true
			w.stopped(pod, c, grace)
			w.failProbeLater(pod, c, c.current)
		},
	}
}

// stopTime tells how long the end of a container takes, and whether it has to be killed at the end of the grace period.
func (w *worker) stopTime(pod *corev1.Pod, c *container, grace time.Duration) (took time.Duration, killed bool) {
	took = w.opts.Timing.Stop
	if c.current.stop > 0 {
		took = c.current.stop
	}
	if hook := c.spec(pod).Lifecycle; hook != nil && hook.PreStop != nil && hook.PreStop.Sleep != nil {
		took += time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
	}
	return min(took, grace), took > grace
}

func gracePeriod(pod *corev1.Pod) time.Duration {
	seconds := int64(30)
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		seconds = *pod.DeletionGracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		seconds = *pod.Spec.TerminationGracePeriodSeconds
	}
	return time.Duration(seconds) * time.Second
}

// ended records the end of an instance; only the first end counts.
func (w *worker) ended(i *instance, code int32, reason string) {
	if i.ended != nil {
		return
	}
	i.ready, i.started = false, false
	i.endedAt = w.line.now
	i.ended = &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, ContainerID: i.id,
		StartedAt: apiTime(i.startedAt), FinishedAt: apiTime(w.line.now),
	}
}

// start lists the steps that start a container: the pull, then the start itself unless the pull failed. One that runs
// until this very sync does not wait for its restart back-off.
func (w *worker) start(pod *corev1.Pod, c *container) []step {
	spec := c.spec(pod)
	crashed := c.current != nil && !c.running()
	var image Image
	var pulled bool
	return []step{{
		begin: func() time.Duration {
			if crashed && w.restartBackedOff(pod, c) || w.pullBackedOff(c, spec.Image) {
				return 0
			}
			image, pulled = w.wanted(spec), true
			return w.pullTime(spec, image)
		},
		end: func() { pulled = pulled && w.pull(c, spec, image) },
	}, {
		begin: func() time.Duration {
			if !pulled {
				return 0
			}
			return longer(image.StartTime, w.opts.Timing.Start)
		},
		end: func() {
			if pulled {
				w.started(c, spec, image)
			}
		},
	}}
}

func longer(own, usual time.Duration) time.Duration {
	if own > 0 {
		return own
	}
	return usual
}

// wanted returns the image that a container gets: what the node has by that name, unless the registry is to be asked.
func (w *worker) wanted(spec *corev1.Container) Image {
	image := w.image(spec.Image)
	if digest, found := w.node.images.local(spec.Image); found && digest != image.Digest && spec.ImagePullPolicy != corev1.PullAlways {
		return w.image(repository(normalized(spec.Image)) + "@" + digest) // The tag has moved since.
	}
	return image
}

func (w *worker) image(ref string) Image {
	var image Image
	if w.opts.Images != nil {
		image = w.opts.Images.Image(ref)
	}
	if image.Digest == "" {
		image.Digest = DigestOf(ref)
	}
	return image
}

// restartBackedOff tells whether a container that ended may not be started yet; the wait counts from its end.
func (w *worker) restartBackedOff(pod *corev1.Pod, c *container) bool {
	image, now, since := c.spec(pod).Image, w.line.now, c.current.endedAt
	until, wait := c.restartBackOff[image].since(since, now)
	if !wait {
		c.restartBackOff[image] = c.restartBackOff[image].grow(since, now)
		return false
	}
	delay := c.restartBackOff[image].delay
	w.fail(c, "CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", delay, c.name, pod.Name))
	if w.retryAt.IsZero() || until.Before(w.retryAt) {
		w.retryAt = until
	}
	return true
}

func (w *worker) pullBackedOff(c *container, image string) bool {
	wait := c.pullBackOff[image].sinceUpdate(w.line.now)
	if wait {
		w.fail(c, "ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", image, c.pullErrors[image]))
	}
	return wait
}

// pullTime is 0 for an image that need not be fetched.
func (w *worker) pullTime(spec *corev1.Container, image Image) time.Duration {
	if w.node.images.has(image.Digest, spec.Image) {
		return 0
	}
	return image.PullTime
}

// pull ends a pull. An image that is there is looked up in the registry all the same if the policy says so.
func (w *worker) pull(c *container, spec *corev1.Container, image Image) bool {
	present := w.node.images.has(image.Digest, spec.Image)
	message := image.pullFails(w.line.now)
	if message != "" && (!present || spec.ImagePullPolicy == corev1.PullAlways) {
		c.pullBackOff[spec.Image] = c.pullBackOff[spec.Image].grow(w.line.now, w.line.now)
		c.pullErrors[spec.Image] = message
		w.fail(c, "ErrImagePull", message)
		return false
	}
	delete(c.pullBackOff, spec.Image)
	w.node.images.add(image.Digest, spec.Image, image)
	return true
}

// fail records why a container was not started. The next sync tells of it.
func (w *worker) fail(c *container, reason, message string) {
	w.failed = true
	c.waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
}

// retry has the pod synced again after a failure: when the restart back-off is over, after any other failure some time
// later, and in both cases up to half as much later. A sync that comes before replaces it.
func (w *worker) retry() {
	w.retries++
	if !w.failed {
		return
	}
	attempt, delay := w.retries, w.opts.Timing.Retry
	if !w.retryAt.IsZero() {
		delay = min(w.retryAt.Sub(w.line.now), resyncInterval)
	}
	w.line.after(delay+time.Duration(w.rng.Float64()*float64(delay)/2), func() {
		if !w.gone && attempt == w.retries {
			w.requestSync()
		}
	})
}

func apiTime(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }
