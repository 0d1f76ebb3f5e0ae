package inplace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

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
	return min(max(grace-now.Sub(seen.DrainedSince), 0), grace), true
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
