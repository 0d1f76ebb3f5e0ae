package inplace

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Problem is why a pod does not run as it should.
type Problem struct {
	// Reason is one word, the kubelet's where it has one.
	Reason string
	// Message is for people. It names the container.
	Message string
}

// isPullFailure tells whether a reason for which a container waits is that its image cannot be had.
func isPullFailure(reason string) bool {
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
		"RegistryUnavailable", "SignatureValidationFailed":
		return true
	}
	return false
}

// backsOff tells whether a reason is one of those behind which the reason of a failed pull disappears.
func backsOff(reason string) bool { return reason == "CrashLoopBackOff" || isPullFailure(reason) }

// isPatience tells whether a reason for which a container waits is nothing out of the ordinary.
func isPatience(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

// Trouble returns why a pod does not run as it should, or nil. What the sighting remembers of a failed pull is preferred
// to the back-off that follows it.
func Trouble(pod *corev1.Pod, seen *Sighting) *Problem {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range statuses {
			problem := cmp.Or(containerTrouble(&statuses[i], seen), sidecarTrouble(pod, &statuses[i]))
			if problem != nil {
				return problem
			}
		}
	}
	return nil
}

func containerTrouble(status *corev1.ContainerStatus, seen *Sighting) *Problem {
	waiting := status.State.Waiting
	if waiting == nil || isPatience(waiting.Reason) {
		return nil
	}
	if seen != nil && backsOff(waiting.Reason) {
		if pull, ok := seen.pull[status.Name]; ok {
			return &Problem{Reason: pull.Reason, Message: fmt.Sprintf("container %s: %s", status.Name, pull.Message)}
		}
	}
	message := fmt.Sprintf("container %s: %s", status.Name, waiting.Message)
	if ended := status.LastTerminationState.Terminated; ended != nil && !isPullFailure(waiting.Reason) {
		message += fmt.Sprintf(" (last exit code %d, %s)", ended.ExitCode, ended.Reason)
	}
	return &Problem{Reason: waiting.Reason, Message: message}
}

// sidecarTrouble returns why a native sidecar that has ended does not run again. The kubelet takes one that ended with the
// exit code 0 for an init container that is done: its status tells neither that it is to be started again nor why it
// cannot be (kubelet_pods.go, convertToAPIContainerStatuses). In an ordinary restart no status is seen in between.
func sidecarTrouble(pod *corev1.Pod, status *corev1.ContainerStatus) *Problem {
	ended := status.State.Terminated
	c, init := container(&pod.Spec, status.Name)
	if ended == nil || c == nil || !init || !isSidecar(c) {
		return nil
	}
	return &Problem{Reason: appsv1beta1.NoteSidecarEnded, Message: fmt.Sprintf(
		"container %s: ended with exit code %d and does not run again; the kubelet says why in the events of the pod only",
		status.Name, ended.ExitCode)}
}
