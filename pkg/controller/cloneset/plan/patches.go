package plan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// relabelPatch returns the patch that gives a pod the label by which it is found.
func relabelPatch(pod *corev1.Pod) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:%q}}}`,
		pod.UID, appsv1beta1.ManagedLabel, appsv1beta1.ManagedLabelValue)
}

// releasePatch returns the patch that takes the owner off a pod.
func releasePatch(pod *corev1.Pod, owner types.UID) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q,"ownerReferences":[{"$patch":"delete","uid":%q}]}}`, pod.UID, owner)
}
