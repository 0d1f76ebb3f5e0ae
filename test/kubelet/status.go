package kubelet

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// generate describes the pod as it is now, for the version of it that a sync acts on. Conditions of others are not part
// of it; they are only remembered for the gates. Containers are in the order of their names, init containers in that of
// the spec.
func (w *worker) generate(pod *corev1.Pod) *corev1.PodStatus {
	started := apiTime(w.startTime)
	status := &corev1.PodStatus{
		QOSClass:           pod.Status.QOSClass,
		HostIP:             w.node.hostIP,
		HostIPs:            []corev1.HostIP{{IP: w.node.hostIP}},
		StartTime:          &started,
		ObservedGeneration: w.observed(pod),
	}
	if w.sandboxed {
		status.PodIP, status.PodIPs = w.ip, []corev1.PodIP{{IP: w.ip}}
	}
	for _, c := range w.containers {
		if c.init {
			status.InitContainerStatuses = append(status.InitContainerStatuses, w.containerStatus(pod, c))
		} else {
			status.ContainerStatuses = append(status.ContainerStatuses, w.containerStatus(pod, c))
		}
	}
	slices.SortFunc(status.ContainerStatuses, func(a, b corev1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
	status.Phase = w.phase(pod)
	if w.evicted != "" && w.finished {
		status.Reason, status.Message = "Evicted", w.evicted
	}
	w.foreign = foreignConditions(pod)
	w.setConditions(pod, status)
	return status
}

func (w *worker) observed(pod *corev1.Pod) int64 {
	if w.opts.NoObservedGeneration {
		return 0
	}
	if w.status != nil {
		return max(pod.Generation, w.status.ObservedGeneration)
	}
	return pod.Generation
}

// phase is Pending until every container has been started once.
func (w *worker) phase(pod *corev1.Pod) corev1.PodPhase {
	if w.finished || w.completed(pod) {
		return w.terminalPhase()
	}
	for _, c := range w.containers {
		if !c.init && c.current == nil {
			return corev1.PodPending
		}
	}
	return corev1.PodRunning
}

// completed tells whether no container runs nor will.
func (w *worker) completed(pod *corev1.Pod) bool {
	for _, c := range w.containers {
		if !c.init && (c.running() || c.restarts(pod)) {
			return false
		}
	}
	return true
}

func (w *worker) containerStatus(pod *corev1.Pod, c *container) corev1.ContainerStatus {
	started := false
	status := corev1.ContainerStatus{Name: c.name, Image: c.spec(pod).Image, Started: &started}
	switch {
	case c.current != nil:
		w.describe(&status, c)
	case w.finished:
		status.State.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown",
			Message: "The container could not be located when the pod was terminated",
		}
		return status
	case len(pod.Spec.InitContainers) > 0:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	default:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	if c.waiting != nil && !c.running() && !w.finished && c.restarts(pod) {
		status.LastTerminationState.Terminated = status.State.Terminated
		status.State = corev1.ContainerState{Waiting: c.waiting}
	}
	setResources(&status, c)
	return status
}

// describe fills in what is known of the newest instance, which may have ended long ago.
func (w *worker) describe(status *corev1.ContainerStatus, c *container) {
	i := c.current
	started := i.started
	status.ContainerID, status.RestartCount, status.Started = i.id, i.restarts, &started
	status.Image, status.ImageID = w.node.images.names(i.digest, i.image)
	status.Ready = i.ready || c.init && !c.sidecar && c.done()
	if i.ended != nil {
		status.State.Terminated = i.ended
	} else {
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: apiTime(i.startedAt)}
	}
	if c.previous != nil {
		status.LastTerminationState.Terminated = c.previous.ended
	}
}

// statusOf returns the status of a container, or nil.
func statusOf(status *corev1.PodStatus, c *container) *corev1.ContainerStatus {
	list := status.ContainerStatuses
	if c.init {
		list = status.InitContainerStatuses
	}
	for i := range list {
		if list[i].Name == c.name {
			return &list[i]
		}
	}
	return nil
}
