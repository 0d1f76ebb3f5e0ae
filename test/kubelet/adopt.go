package kubelet

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// adopt takes over a pod whose containers outlived the kubelet that had started them, as they do a kubelet's restart.
func (w *worker) adopt(pod *corev1.Pod) {
	if pod.Status.PodIP == "" {
		return
	}
	w.ip, w.sandboxed = pod.Status.PodIP, true
	w.startTime = ptr.Deref(pod.Status.StartTime, apiTime(w.startTime)).Time
	for _, c := range w.containers {
		if status := statusOf(&pod.Status, c); status != nil && status.ContainerID != "" {
			c.current = w.adopted(c.spec(pod), status)
			w.initialized = w.initialized || !c.init
		}
	}
}

// adopted rebuilds an instance from its status. That does not tell which image string the container was started with; the
// one in the spec is as good as any if it leads to the same digest.
func (w *worker) adopted(spec *corev1.Container, status *corev1.ContainerStatus) *instance {
	_, digest, _ := strings.Cut(status.ImageID, "@")
	image := w.image(spec.Image)
	i := &instance{
		id: status.ContainerID, image: spec.Image, digest: digest, restarts: status.RestartCount, stop: image.StopTime,
		startedAt: w.startTime, started: true, ready: true, resources: spec.Resources.DeepCopy(),
	}
	if status.Resources != nil {
		i.resources = status.Resources.DeepCopy()
	}
	if image.Digest != digest {
		i.image = status.Image
	}
	w.node.images.add(digest, i.image, image)
	if status.State.Running != nil {
		i.startedAt = status.State.Running.StartedAt.Time
		return i
	}
	i.started, i.ready = false, false
	i.ended = status.State.Terminated
	if i.ended == nil {
		i.ended = status.LastTerminationState.Terminated
	}
	if i.ended == nil {
		i.ended = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}
	}
	i.endedAt = i.ended.FinishedAt.Time
	return i
}
