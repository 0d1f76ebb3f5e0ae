package inplace

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
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
			if problem := containerTrouble(&statuses[i], seen); problem != nil {
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
