package rollout

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Identity counts the pods after a rollout that are still the pods before it.
type Identity struct {
	// Pods is the number of pods after the rollout.
	Pods int
	// SameUID is the number of them that existed before it; SameIP and SameNode are the numbers of those that kept that.
	SameUID, SameIP, SameNode int
	// OtherContainersRestarted is the number of containers after the rollout that were started during it, without those
	// of which the image was to change, and without init containers that ended.
	OtherContainersRestarted int
}

// Compare compares the pods before and after a rollout that was to restart the containers of the given names.
func Compare(before, after []*corev1.Pod, updated ...string) Identity {
	earlier := map[types.UID]*corev1.Pod{}
	ran := sets.New[string]()
	for i := range before {
		earlier[before[i].UID] = before[i]
		ran.Insert(longRunning(before[i])...)
	}
	id := Identity{Pods: len(after)}
	for i := range after {
		id.count(earlier[after[i].UID], after[i])
		id.OtherContainersRestarted += sets.New(longRunning(after[i], updated...)...).Difference(ran).Len()
	}
	return id
}

func (id *Identity) count(before, after *corev1.Pod) {
	if before == nil {
		return
	}
	id.SameUID++
	if before.Status.PodIP == after.Status.PodIP {
		id.SameIP++
	}
	if before.Spec.NodeName == after.Spec.NodeName {
		id.SameNode++
	}
}

// longRunning returns the IDs of the pod's containers and native sidecars but the given ones.
func longRunning(pod *corev1.Pod, but ...string) []string {
	var ids []string
	for _, s := range pod.Status.ContainerStatuses {
		if !slices.Contains(but, s.Name) {
			ids = append(ids, s.ContainerID)
		}
	}
	for _, s := range pod.Status.InitContainerStatuses {
		if !slices.Contains(but, s.Name) && isSidecar(pod, s.Name) {
			ids = append(ids, s.ContainerID)
		}
	}
	return ids
}

func isSidecar(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}
