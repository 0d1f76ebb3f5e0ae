package kubelet

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// owned tells which conditions a kubelet writes; all others belong to somebody else and are kept.
func owned(t corev1.PodConditionType) bool {
	switch t {
	case corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady,
		corev1.PodResizePending, corev1.PodResizeInProgress:
		return true
	}
	return false
}

func foreignConditions(pod *corev1.Pod) []corev1.PodCondition {
	var foreign []corev1.PodCondition
	for _, c := range pod.Status.Conditions {
		if !owned(c.Type) {
			foreign = append(foreign, c)
		}
	}
	return foreign
}

// verdict is the value of a condition; with ok, reason and message are empty.
type verdict struct {
	ok              bool
	reason, message string
}

// setConditions writes the conditions that a kubelet owns.
func (w *worker) setConditions(pod *corev1.Pod, status *corev1.PodStatus) {
	initialized := verdict{ok: true}
	if next, complete := w.nextInit(nil); !w.initialized && (next != nil || !complete) {
		initialized = verdict{reason: "ContainersNotInitialized", message: "containers with incomplete status"}
	}
	generation := w.observed(pod)
	setCondition(status, corev1.PodScheduled, generation, verdict{ok: true})
	setCondition(status, corev1.PodReadyToStartContainers, generation, verdict{ok: w.sandboxed && !w.finished})
	setCondition(status, corev1.PodInitialized, generation, initialized)
	setReadiness(pod, status, w.foreign, generation)
	w.setResizeConditions(pod, status)
}

// setReadiness writes ContainersReady and Ready from the container statuses and the gates among the given conditions.
func setReadiness(pod *corev1.Pod, status *corev1.PodStatus, gates []corev1.PodCondition, generation int64) {
	containers := containersReady(pod, status)
	setCondition(status, corev1.ContainersReady, generation, containers)
	setCondition(status, corev1.PodReady, generation, podReady(pod, containers, gates))
}

func podReady(pod *corev1.Pod, containers verdict, gates []corev1.PodCondition) verdict {
	if !containers.ok {
		return containers
	}
	return gatesReady(pod, gates)
}

func containersReady(pod *corev1.Pod, status *corev1.PodStatus) verdict {
	switch status.Phase {
	case corev1.PodFailed:
		return verdict{reason: "PodFailed"}
	case corev1.PodSucceeded:
		return verdict{reason: "PodCompleted"}
	}
	if len(status.ContainerStatuses) == 0 {
		return verdict{reason: "UnknownContainerStatuses"}
	}
	unready := unreadyNames(pod, status)
	if len(unready) == 0 {
		return verdict{ok: true}
	}
	return verdict{
		reason:  "ContainersNotReady",
		message: "containers with unready status: [" + strings.Join(unready, " ") + "]",
	}
}

// unreadyNames lists the sidecars and containers that are not ready.
func unreadyNames(pod *corev1.Pod, status *corev1.PodStatus) []string {
	var unready []string
	for i, c := range status.InitContainerStatuses {
		if isSidecar(&pod.Spec.InitContainers[i]) && !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	for _, c := range status.ContainerStatuses {
		if !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	return unready
}

func gatesReady(pod *corev1.Pod, conditions []corev1.PodCondition) verdict {
	var unready []string
	for _, gate := range pod.Spec.ReadinessGates {
		if conditionStatus(conditions, gate.ConditionType) != corev1.ConditionTrue {
			unready = append(unready, string(gate.ConditionType))
		}
	}
	if len(unready) == 0 {
		return verdict{ok: true}
	}
	return verdict{reason: "ReadinessGatesNotReady", message: "readiness gates that are not True: " + strings.Join(unready, ", ")}
}

// readyDiffers tells whether the Ready condition in the API contradicts the containers and gates beside it.
func readyDiffers(pod *corev1.Pod) bool {
	want := podReady(pod, containersReady(pod, &pod.Status), pod.Status.Conditions)
	have := conditionStatus(pod.Status.Conditions, corev1.PodReady)
	return want.ok != (have == corev1.ConditionTrue)
}

// conditionStatus returns an empty string for a condition that is not there.
func conditionStatus(conditions []corev1.PodCondition, t corev1.PodConditionType) corev1.ConditionStatus {
	for i := range conditions {
		if conditions[i].Type == t {
			return conditions[i].Status
		}
	}
	return ""
}

// setCondition adds a condition or replaces the one of its type. The time of its transition is filled in later.
func setCondition(status *corev1.PodStatus, t corev1.PodConditionType, generation int64, v verdict) {
	c := corev1.PodCondition{
		Type: t, Status: corev1.ConditionFalse, ObservedGeneration: generation,
		Reason: v.reason, Message: v.message,
	}
	if v.ok {
		c.Status = corev1.ConditionTrue
	}
	for i := range status.Conditions {
		if status.Conditions[i].Type == t {
			status.Conditions[i] = c
			return
		}
	}
	status.Conditions = append(status.Conditions, c)
}

// stampTransitions dates the conditions: those whose status is the same as before keep their time.
func (w *worker) stampTransitions(status *corev1.PodStatus) {
	before := w.pod.Status.Conditions
	if w.status != nil {
		before = w.status.Conditions
	}
	for i := range status.Conditions {
		c := &status.Conditions[i]
		c.LastTransitionTime = apiTime(w.line.now)
		for _, old := range before {
			if old.Type == c.Type && old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
		}
	}
}

// mergeStatus puts what a kubelet says over a pod's status: conditions of others stay, a generation is never taken back.
func mergeStatus(have, reported *corev1.PodStatus) corev1.PodStatus {
	merged := *reported
	merged.Conditions = nil
	for _, c := range have.Conditions {
		if !owned(c.Type) {
			merged.Conditions = append(merged.Conditions, c)
		}
	}
	merged.Conditions = append(merged.Conditions, reported.Conditions...)
	merged.ObservedGeneration = max(have.ObservedGeneration, reported.ObservedGeneration)
	return merged
}
