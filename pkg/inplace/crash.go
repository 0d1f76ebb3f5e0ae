package inplace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// crashMemory is for how long a container that ended by itself is watched after it was started again. The kubelet's first
// back-off is as long.
const crashMemory = 10 * time.Second

// CrashedLeft returns for how much longer a pod is not to be trusted, because one of its containers ended by itself a
// moment ago; zero if none did. A container without a readiness probe looks ready between two crashes.
func CrashedLeft(pod *corev1.Pod, now time.Time) time.Duration {
	var left time.Duration
	var state *State
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			ended, running := list[i].LastTerminationState.Terminated, list[i].State.Running
			if ended == nil || running == nil || now.Sub(running.StartedAt.Time) >= crashMemory {
				continue
			}
			if state == nil {
				state = stateOrEmpty(pod)
			}
			if !recorded(state.Records, ended.ContainerID) {
				// The node's clock may be ahead of ours; more than the whole memory it never is.
				left = max(left, min(crashMemory-now.Sub(running.StartedAt.Time), crashMemory))
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
