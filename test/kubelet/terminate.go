package kubelet

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// terminate lists the steps that end a pod: all containers at once, then the sidecars in reverse order.
func (w *worker) terminate(pod *corev1.Pod) []step {
	grace := gracePeriod(pod)
	if w.evicted != "" {
		grace = 0
	}
	script := []step{w.stopMain(pod, grace)}
	for _, c := range slices.Backward(w.containers) {
		if c.init && c.running() {
			script = append(script, w.stopSidecar(pod, c, grace))
		}
	}
	return append(script, step{
		begin: func() time.Duration { return 0 },
		end:   func() { w.finished = true },
	})
}

func (w *worker) stopMain(pod *corev1.Pod, grace time.Duration) step {
	var running []*container
	var longest time.Duration
	for _, c := range w.containers {
		if !c.init && c.running() {
			took, _ := w.stopTime(pod, c, grace)
			running, longest = append(running, c), max(longest, took)
		}
	}
	return step{
		begin: func() time.Duration { return longest },
		end: func() {
			for _, c := range running {
				w.stopped(pod, c, grace)
			}
		},
	}
}

func (w *worker) stopSidecar(pod *corev1.Pod, c *container, grace time.Duration) step {
	took, _ := w.stopTime(pod, c, grace)
	return step{
		begin: func() time.Duration { return took },
		end:   func() { w.stopped(pod, c, grace) },
	}
}

// stopped records the end of a container that was told to stop: of its own accord, or killed when the grace was over.
func (w *worker) stopped(pod *corev1.Pod, c *container, grace time.Duration) {
	if _, killed := w.stopTime(pod, c, grace); killed {
		w.ended(c.current, 137, "Error")
		return
	}
	w.ended(c.current, 0, "Completed")
}

// terminalPhase is the phase of a pod whose containers have ended for good.
func (w *worker) terminalPhase() corev1.PodPhase {
	if w.evicted != "" {
		return corev1.PodFailed
	}
	for _, c := range w.containers {
		if !c.init && !c.done() {
			return corev1.PodFailed
		}
	}
	return corev1.PodSucceeded
}
