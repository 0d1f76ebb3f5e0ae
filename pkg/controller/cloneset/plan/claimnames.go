package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// podName returns the name of the pod with an id.
func podName(set *appsv1beta1.CloneSet, id string) string { return set.Name + "-" + id }

// idOf returns the id of a pod: what its name ends with. A pod that was taken over from a CloneSet of another name has
// none, and its claims are left alone.
func idOf(set *appsv1beta1.CloneSet, pod *corev1.Pod) (string, bool) {
	id, ok := strings.CutPrefix(pod.Name, set.Name+"-")
	return id, ok && id != "" && !strings.Contains(id, "-")
}

// splitClaimName returns the template and the id that the name of a claim is made of.
func splitClaimName(set *appsv1beta1.CloneSet, name string) (template, id string, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", "", false
	}
	template, ok = strings.CutSuffix(name[:i], "-"+set.Name)
	return template, name[i+1:], ok && template != "" && i < len(name)-1
}

// claimName returns the name of the claim that a pod has as a volume of a template's name.
func claimName(template, pod string) string { return template + "-" + pod }

// OwnClaim returns the name of the claim that was made for a pod as one of its volumes, or nothing.
func OwnClaim(pod *corev1.Pod, volume *corev1.Volume) string {
	source := volume.PersistentVolumeClaim
	if source == nil || source.ClaimName != claimName(volume.Name, pod.Name) {
		return ""
	}
	return source.ClaimName
}

// claimVolumes returns the volumes of a pod with one for each claim template, in the place of any of the same name.
func claimVolumes(set *appsv1beta1.CloneSet, pod string, volumes []corev1.Volume) []corev1.Volume {
	for i := range set.Spec.VolumeClaimTemplates {
		name := set.Spec.VolumeClaimTemplates[i].Name
		volumes = slices.DeleteFunc(volumes, func(v corev1.Volume) bool { return v.Name == name })
		source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(name, pod)}
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}})
	}
	return volumes
}

// newClaim returns the claim of a template for a pod.
func newClaim(
	set *appsv1beta1.CloneSet, template *corev1.PersistentVolumeClaim, pod *corev1.Pod, owner metav1.OwnerReference,
) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: claimName(template.Name, pod.Name), Namespace: set.Namespace,
			Labels: map[string]string{}, Annotations: maps.Clone(template.Annotations),
			Finalizers:      slices.Clone(template.Finalizers),
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: *template.Spec.DeepCopy(),
	}
	maps.Copy(claim.Labels, template.Labels)
	maps.Copy(claim.Labels, set.Spec.Selector.MatchLabels)
	claim.Labels[appsv1beta1.ManagedLabel] = appsv1beta1.ManagedLabelValue
	claim.Labels[appsv1beta1.InstanceIDLabel], _ = idOf(set, pod)
	return claim
}

// ownerPatch returns the patch that makes a claim one of an owner's.
func ownerPatch(claim *corev1.PersistentVolumeClaim, owner metav1.OwnerReference) []byte {
	owners := []any{owner}
	if before := metav1.GetControllerOfNoCopy(claim); before != nil && before.UID != owner.UID {
		owners = append(owners, map[string]any{"$patch": "delete", "uid": before.UID})
	}
	return encode(map[string]any{"metadata": map[string]any{
		"uid": claim.UID, "resourceVersion": claim.ResourceVersion, "ownerReferences": owners,
		"labels": map[string]string{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue},
	}})
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		return nil // It is made of strings.
	}
	return data
}
