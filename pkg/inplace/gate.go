package inplace

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// generationMark stands before the generation at the end of the message of the gate's condition.
const generationMark = " at generation "

// withGeneration adds the generation to a message of the gate's condition. It is in the condition's own field, too, but
// clusters older than 1.34 drop that.
func withGeneration(message string, pod *corev1.Pod) string {
	return message + generationMark + strconv.FormatInt(pod.Generation, 10)
}

// notedGeneration returns the generation of the pod that whoever set the gate found, or zero if that is not told.
func notedGeneration(gate *corev1.PodCondition) int64 {
	if gate.ObservedGeneration != 0 {
		return gate.ObservedGeneration
	}
	at := strings.LastIndex(gate.Message, generationMark)
	if at < 0 {
		return 0
	}
	generation, err := strconv.ParseInt(gate.Message[at+len(generationMark):], 10, 64)
	if err != nil {
		return 0
	}
	return generation
}

// isOn tells whether the gate lets the pod be ready.
func isOn(gate *corev1.PodCondition) bool { return gate.Status == corev1.ConditionTrue }

// isOpen tells whether what a state records was not confirmed yet, as far as the gate tells.
func isOpen(pod *corev1.Pod, state *State, gate *corev1.PodCondition) bool {
	noted := notedGeneration(gate)
	switch {
	case state.InService:
		return true
	case isOn(gate):
		// Normally whoever turned the gate on confirmed the update. But a process that had lost its lease may have done
		// so late, with an older pod in mind than the one that was patched.
		return noted != 0 && askedAt(pod, state) > noted
	case noted == 0:
		// Somebody turned off the gate of a pod that was in service, so that its last update was confirmed.
		return gate.Reason != appsv1beta1.GateReasonInService
	}
	// The drain noted the generation it found. A state that is no newer belongs to an update that was confirmed before.
	return state.Generation > noted
}

// mayBeOpen tells whether the state of a pod is worth reading. Of most pods in service it is not, and there are many.
func mayBeOpen(pod *corev1.Pod, gate *corev1.PodCondition) bool {
	data := pod.Annotations[appsv1beta1.InPlaceStateAnnotation]
	if data == "" || !isOn(gate) {
		return data != ""
	}
	noted := notedGeneration(gate)
	return (noted != 0 && noted < pod.Generation) ||
		strings.Contains(data, `"inService":true`) || strings.Contains(data, `"pending":`) || strings.Contains(data, resizingMark)
}

// openState returns the state of a pod whose update is not confirmed yet as far as the gate tells, or nil.
func openState(pod *corev1.Pod) *State {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	if gate == nil || !mayBeOpen(pod, gate) {
		return nil
	}
	state := trusted(pod)
	if state == nil || !isOpen(pod, state, gate) {
		return nil
	}
	return state
}

// IsOpen tells whether a pod whose gate is set has containers that were patched and not confirmed, or that are still to
// be patched, as far as the pod alone tells. What its statuses show in the meantime is worth a Sighting.
func IsOpen(pod *corev1.Pod) bool {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	if gate == nil || !mayBeOpen(pod, gate) {
		return false
	}
	state := trusted(pod)
	return state != nil &&
		(len(pendingOf(pod, state)) > 0 || (isOpen(pod, state, gate) && len(state.undone()) > 0))
}
