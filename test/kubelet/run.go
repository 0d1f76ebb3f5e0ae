package kubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// started puts a new instance in the place of the old one and lets its program take its course.
func (w *worker) started(c *container, spec *corev1.Container, image Image) {
	i := &instance{
		image: spec.Image, digest: image.Digest, stop: image.StopTime,
		startedAt: w.line.now, resources: c.granted.DeepCopy(),
	}
	if c.current != nil {
		i.restarts = c.current.restarts + 1
	}
	i.id = w.containerID(c, i.restarts)
	c.previous, c.current, c.waiting = c.current, i, nil
	w.changed = true
	if message := startError(spec, image); message != "" {
		w.ended(i, 128, "StartError")
		i.ended.Message = message
		return
	}
	w.scheduleExit(c, i, image)
	w.scheduleProbes(c, i, spec, image)
}

// startError tells with which message a container fails to start; empty means it starts.
func startError(spec *corev1.Container, image Image) string {
	if len(spec.Command) > 0 && spec.Command[0] == MissingCommand {
		return fmt.Sprintf("exec: %q: stat %s: no such file or directory", MissingCommand, MissingCommand)
	}
	return image.StartError
}

// scheduleExit has the program end by itself, if it is one that does.
func (w *worker) scheduleExit(c *container, i *instance, image Image) {
	switch {
	case image.CrashAfter > 0:
		w.after(image.CrashAfter, func() { w.exit(i, 1, "Error") })
	case c.init && !c.sidecar:
		w.after(image.RunTime, func() { w.exit(i, 0, "Completed") })
	}
}

// exit ends an instance without the kubelet's doing; it notices a little later.
func (w *worker) exit(i *instance, code int32, reason string) {
	if i.ended == nil {
		w.ended(i, code, reason)
		w.after(w.opts.Timing.Relist, w.requestSync)
	}
}

// scheduleProbes has the startup and readiness probes pass. A container without them is started and ready at once.
func (w *worker) scheduleProbes(c *container, i *instance, spec *corev1.Container, image Image) {
	probed := spec.ReadinessProbe != nil || image.ReadyDelay > 0
	i.started = spec.StartupProbe == nil
	i.ready = i.started && !probed
	if i.ready {
		return
	}
	w.after(max(image.ReadyDelay, w.opts.Timing.Relist+2*w.opts.Timing.Status), func() {
		if i.ended != nil || c.current != i {
			return
		}
		i.started, i.ready, i.passing = true, true, spec.ReadinessProbe != nil
		w.probed(c, i, true)
		w.requestSync()
	})
}

// failProbeLater has the readiness probe of a killed container fail often enough to count, should the worker be blocked
// for so long. Without a probe of its own the container stays ready in the status.
func (w *worker) failProbeLater(pod *corev1.Pod, c *container, i *instance) {
	probe := c.spec(pod).ReadinessProbe
	if probe == nil {
		return
	}
	failures, period := max(probe.FailureThreshold, 1), max(probe.PeriodSeconds, 1)
	w.after(time.Duration(failures)*time.Duration(period)*time.Second, func() {
		i.passing = false
		w.probed(c, i, false)
	})
}

// failProbes has the readiness probes fail of containers that do not run according to the newest status: the next time
// that they are asked, and at once.
func (w *worker) failProbes(pod *corev1.Pod) {
	for _, c := range w.containers {
		i := c.current
		if i == nil || !i.passing || statusOf(w.status, c).State.Running != nil {
			continue
		}
		i.passing = false
		period := time.Duration(max(c.spec(pod).ReadinessProbe.PeriodSeconds, 1)) * time.Second
		w.after(period, w.requestSync)
	}
}

// probed changes readiness in the newest status, past the worker. It knows gates and everything else only as they were
// when that status was generated; a container that is not in it yet is ignored.
func (w *worker) probed(c *container, i *instance, ready bool) {
	if w.status == nil || w.finished {
		return
	}
	status := w.status.DeepCopy()
	reported := statusOf(status, c)
	if reported == nil || reported.ContainerID != i.id {
		return
	}
	reported.Ready = ready
	setReadiness(w.pod, status, w.foreign, w.observed(w.pod))
	w.setStatus(status)
}
