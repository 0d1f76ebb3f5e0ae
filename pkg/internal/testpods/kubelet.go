package testpods

import (
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// Patched returns the pod that an API server makes of a pod and a strategic merge patch: the generation rises when the
// spec changed, the resourceVersion always. It fails if a precondition of the patch does not hold.
func Patched(pod *corev1.Pod, patch []byte) (*corev1.Pod, error) {
	if err := checkPreconditions(pod, patch); err != nil {
		return nil, err
	}
	before, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", patch, err)
	}
	patched := &corev1.Pod{}
	if err := json.Unmarshal(after, patched); err != nil {
		return nil, err
	}
	if !equality.Semantic.DeepEqual(pod.Spec, patched.Spec) {
		patched.Generation++
	}
	version, err := strconv.Atoi(pod.ResourceVersion)
	patched.ResourceVersion = strconv.Itoa(version + 1)
	return patched, err
}

func checkPreconditions(pod *corev1.Pod, patch []byte) error {
	var conditions struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(patch, &conditions); err != nil {
		return fmt.Errorf("%s: %w", patch, err)
	}
	if uid := conditions.Metadata.UID; uid != pod.UID {
		return fmt.Errorf("the patch is for UID %q, the pod has %q", uid, pod.UID)
	}
	if rv := conditions.Metadata.ResourceVersion; rv != "" && rv != pod.ResourceVersion {
		return fmt.Errorf("the patch is for resourceVersion %q, the pod has %q", rv, pod.ResourceVersion)
	}
	return nil
}

// Observe is the kubelet seeing the pod as it is: its status tells the generation, and nothing else changes yet.
func Observe(pod *corev1.Pod) { pod.Status.ObservedGeneration = pod.Generation }

// Status returns the status of a container or an init container, to be changed.
func Status(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range statuses {
			if statuses[i].Name == name {
				return &statuses[i]
			}
		}
	}
	panic(fmt.Sprintf("pod %s has no container %s", pod.Name, name))
}

// Run makes the status of a container that of a new one, the n-th, of an image.
func Run(pod *corev1.Pod, name string, n int, image string) {
	status := Status(pod, name)
	ended := status.ContainerID
	fresh := running(name, image)
	fresh.ContainerID = fmt.Sprintf("cri://%s-%d", name, n)
	fresh.RestartCount = status.RestartCount + 1
	fresh.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: ended, Reason: "Completed"}
	*status = fresh
}

// Wait makes a container wait; its IDs stay those of the container before, as a kubelet leaves them.
func Wait(pod *corev1.Pod, name, reason, message string) {
	status := Status(pod, name)
	status.Ready, status.Started = false, new(false)
	status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// Ready sets whether a container is ready, and whether it has started.
func Ready(pod *corev1.Pod, name string, ready, started bool) {
	status := Status(pod, name)
	status.Ready, status.Started = ready, &started
}

// DropGenerations does what an API server older than 1.34 does: it keeps no generation in the status.
func DropGenerations(pod *corev1.Pod) {
	pod.Status.ObservedGeneration = 0
	for i := range pod.Status.Conditions {
		pod.Status.Conditions[i].ObservedGeneration = 0
	}
}
