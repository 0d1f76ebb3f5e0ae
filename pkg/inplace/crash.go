package inplace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// CrashMemory is for how long a container that ended by itself is watched after it was started again. The kubelet's first
// back-off is as long.
const CrashMemory = 10 * time.Second

// CrashedLeft returns for how much longer a pod is not to be trusted, because one of its containers ended by itself a
// moment ago; zero if none did. A container without a readiness probe looks ready between two crashes. A start that lies
// ahead by more than clocks differ tells of a clock that is wrong, and not of when the container started.
func CrashedLeft(pod *corev1.Pod, now time.Time) time.Duration {
	var left time.Duration
	var state *State
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			ended, running := list[i].LastTerminationState.Terminated, list[i].State.Running
			if ended == nil || running == nil {
				continue
			}
			since := now.Sub(running.StartedAt.Time)
			if since >= CrashMemory || since < -settleMargin {
				continue
			}
			if state == nil {
				state = stateOrEmpty(pod)
			}
			if !recorded(state.Records, ended.ContainerID) {
				left = max(left, min(CrashMemory-since, CrashMemory))
			}
		}
	}
	return left
}

// StartedLeft returns for how much longer the containers of a pod have to run until each has for a while; zero if all have.
// What is ready without a probe, and was restarted while the pod stayed in service, may have left the pod ready all the time:
// how long it has been so tells nothing of the containers of today. A start that lies ahead by more than clocks differ is
// left out, as above.
func StartedLeft(pod *corev1.Pod, length time.Duration, now time.Time) time.Duration {
	var left time.Duration
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			running := list[i].State.Running
			if running == nil {
				continue // It has done its work, or the pod is not ready.
			}
			if since := now.Sub(running.StartedAt.Time); since >= -settleMargin {
				left = max(left, min(length-since, length))
			}
		}
	}
	return left
}

func stateOrEmpty(pod *corev1.Pod) *State {
	if state := ReadState(pod); state != nil {
		return state
	}
	return &State{}
}

// HasCrashed tells whether a container of the pod has ended by itself since it was started for the images that the pod
// asks for.
func HasCrashed(pod *corev1.Pod) bool {
	var state *State
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			ended := list[i].LastTerminationState.Terminated
			if ended == nil {
				continue
			}
			if state == nil {
				state = stateOrEmpty(pod)
			}
			if !recorded(state.Records, ended.ContainerID) {
				return true
			}
		}
	}
	return false
}
