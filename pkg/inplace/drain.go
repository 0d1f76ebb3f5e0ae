package inplace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// DrainRules say for how long a pod that was seen drained is left alone before it is patched.
type DrainRules struct {
	// Grace is the time.
	Grace time.Duration
	// Until is the type of a condition of the pod that has to be True before Grace begins. It may be empty.
	Until corev1.PodConditionType
	// Timeout is for how long Until is waited for.
	Timeout time.Duration
}

// IsDrained tells whether a pod whose gate is off was seen out of service: the kubelet reports it not ready, and no
// endpoint of it is serving.
func IsDrained(pod *corev1.Pod, serving bool) bool {
	ready := Condition(pod, corev1.PodReady)
	return !serving && ready != nil && ready.Status == corev1.ConditionFalse
}

// NeverRan tells whether no kubelet has the pod yet: it has no node, and nothing of it was started. Such a pod serves nobody,
// and nobody reports it not ready. It is patched without a drain, at the resourceVersion at which that was so: a kubelet that
// gets the pod later never sees the images from before, so that there is nothing to record and nothing to confirm.
func NeverRan(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && len(pod.Status.ContainerStatuses)+len(pod.Status.InitContainerStatuses) == 0
}

// IsReleased tells whether a drained pod says by the condition, if one is asked for, that nothing sends it requests any
// more.
func IsReleased(pod *corev1.Pod, until corev1.PodConditionType) bool {
	if until == "" {
		return true
	}
	return isTrue(Condition(pod, until))
}

// DrainLeft returns for how much longer a draining pod has to be left alone before it is patched, if nothing else is seen
// of it, and whether that is known: the pod has to be seen drained first. A process that was not there when the pod was
// drained, or released, counts anew. No more waiting is needed for a pod that has been unready, and released, for the
// grace period and settleMargin.
func DrainLeft(pod *corev1.Pod, seen *Sighting, rules DrainRules, now time.Time) (left time.Duration, drained bool) {
	if seen == nil || seen.DrainedSince.IsZero() {
		return 0, false
	}
	atMost := remaining(seen.DrainedSince, rules.Grace, now)
	if rules.Until != "" {
		atMost = remaining(seen.DrainedSince, rules.Timeout+rules.Grace, now)
	}
	switch since, ok := quietSince(pod, seen, rules.Until); {
	case !IsReleased(pod, rules.Until):
		return atMost, true
	case ok && now.Sub(since) > rules.Grace+settleMargin:
		return 0, true
	case seen.ReleasedSince.IsZero():
		return min(rules.Grace, atMost), true
	}
	return min(remaining(seen.ReleasedSince, rules.Grace, now), atMost), true
}

// remaining returns what is left of a time that has run since then.
func remaining(since time.Time, whole time.Duration, now time.Time) time.Duration {
	return min(max(whole-now.Sub(since), 0), whole)
}

// quietSince returns since when a pod is not ready, and released, whatever this process saw of it.
func quietSince(pod *corev1.Pod, seen *Sighting, until corev1.PodConditionType) (time.Time, bool) {
	since, ok := unreadySince(pod, seen)
	if released := Condition(pod, until); until != "" && released != nil && released.LastTransitionTime.After(since) {
		since = released.LastTransitionTime.Time
	}
	return since, ok
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
