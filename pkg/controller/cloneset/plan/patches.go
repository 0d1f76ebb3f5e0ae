package plan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// relabelPatch returns the patch that gives a pod the label by which it is found.
func relabelPatch(pod *corev1.Pod) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:%q}}}`,
		pod.UID, appsv1beta1.ManagedLabel, appsv1beta1.ManagedLabelValue)
}

// stayPatch returns the patch that makes a surge pod one of the others.
func stayPatch(pod *corev1.Pod) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:null}}}`, pod.UID, appsv1beta1.SurgeLabel)
}

// releasePatch returns the patch that takes the owner off a pod.
func releasePatch(pod *corev1.Pod, owner types.UID) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q,"ownerReferences":[{"$patch":"delete","uid":%q}]}}`, pod.UID, owner)
}

// adoptPatch returns the patch that makes a CloneSet the owner of what nobody owns. It is conditioned on the
// resourceVersion: whoever owns the object by now keeps it, and so does nobody if its labels are others by now.
func adoptPatch(object metav1.Object, set *appsv1beta1.CloneSet) []byte {
	return encode(map[string]any{"metadata": map[string]any{
		"uid": object.GetUID(), "resourceVersion": object.GetResourceVersion(),
		"ownerReferences": []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)},
	}})
}

// pinPatch returns the patch that records the digests of the images of a revision. It is conditioned on the resourceVersion:
// what somebody else has recorded meanwhile stays.
func pinPatch(revision metav1.Object, digests map[string]string) []byte {
	return encode(map[string]any{"metadata": map[string]any{
		"uid": revision.GetUID(), "resourceVersion": revision.GetResourceVersion(),
		"annotations": map[string]string{appsv1beta1.DigestsAnnotation: string(encode(digests))},
	}})
}
