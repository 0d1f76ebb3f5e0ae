package inplace

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// KnownDigests returns which digests images have on pods whose gate is on: their containers were seen to run them, but
// for those that were patched in service and are not confirmed.
func KnownDigests(pods []*corev1.Pod) map[string][]string {
	known := map[string][]string{}
	for _, pod := range pods {
		gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if gate == nil || !isOn(gate) {
			continue
		}
		learn(known, pod)
	}
	return known
}

func learn(known map[string][]string, pod *corev1.Pod) {
	var unconfirmed []string
	if state := openState(pod); state != nil {
		unconfirmed = state.undone()
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			status := containerStatus(pod, list[i].Name)
			if status == nil || status.State.Running == nil || slices.Contains(unconfirmed, list[i].Name) {
				continue
			}
			digest := Digest(status.ImageID)
			if digest != "" && !slices.Contains(known[list[i].Image], digest) {
				known[list[i].Image] = append(known[list[i].Image], digest)
			}
		}
	}
}
