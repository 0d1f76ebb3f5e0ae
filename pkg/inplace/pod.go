package inplace

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Condition returns a condition of a pod, or nil.
func Condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// HasGate tells whether the pod was made with the readiness gate. It cannot be added later.
func HasGate(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
		return g.ConditionType == appsv1beta1.InPlaceUpdateReady
	})
}

// IsReady tells whether the pod may be sent traffic: the kubelet says that it is ready, and the gate was not turned off
// since.
func IsReady(pod *corev1.Pod) bool {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	return SaysReady(pod) && (gate == nil || isTrue(gate))
}

// SaysReady tells whether the kubelet reports the pod ready, whatever has been done to its gate since.
func SaysReady(pod *corev1.Pod) bool { return isTrue(Condition(pod, corev1.PodReady)) }

func isTrue(condition *corev1.PodCondition) bool {
	return condition != nil && condition.Status == corev1.ConditionTrue
}

// containerStatus returns the status of a container or of a native sidecar, or nil.
func containerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range statuses {
			if statuses[i].Name == name {
				return &statuses[i]
			}
		}
	}
	return nil
}

// container returns a container, or an init container, of a pod spec, or nil.
func container(spec *corev1.PodSpec, name string) (c *corev1.Container, init bool) {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i], false
		}
	}
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == name {
			return &spec.InitContainers[i], true
		}
	}
	return nil, false
}

// ContainerOf returns the container or init container of that name, which is part of the spec, or nil if there is none.
func ContainerOf(spec *corev1.PodSpec, name string) *corev1.Container {
	c, _ := container(spec, name)
	return c
}

// RunningContainers returns the native sidecars and the containers, in that order: those that run for as long as the pod does.
// They are part of the spec.
func RunningContainers(spec *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for i := range spec.InitContainers {
		if isSidecar(&spec.InitContainers[i]) {
			all = append(all, &spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		all = append(all, &spec.Containers[i])
	}
	return all
}

// Digest returns the digest in an imageID, or nothing if it has none. Only the digest is comparable: the name before it
// is whichever the runtime's list of names begins with. That of an image which no registry has comes in three forms:
// containerd has the digest alone, cri-dockerd puts docker:// before it, and CRI-O leaves its algorithm out.
func Digest(imageID string) string {
	if _, digest, ok := strings.Cut(imageID, "@"); ok {
		return digest
	}
	id := strings.TrimPrefix(imageID, "docker://")
	switch {
	case strings.HasPrefix(id, sha256Prefix):
		return id
	case isHash(id):
		return sha256Prefix + id
	}
	return ""
}

const sha256Prefix = "sha256:"

// isHash tells whether a text is a hash of SHA-256, as it is written.
func isHash(text string) bool {
	return len(text) == hex.EncodedLen(sha256.Size) && strings.Trim(text, "0123456789abcdef") == ""
}
