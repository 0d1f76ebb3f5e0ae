package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// NewPod returns the pod that is made of a revision under a name, with the volumes of its claims. Its readiness gate keeps
// it out of service until the controller has seen it.
func NewPod(set *appsv1beta1.CloneSet, revision Revision, name string) *corev1.Pod {
	template := revision.Template.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            name,
			Namespace:       set.Namespace,
			Labels:          maps.Clone(template.Labels),
			Annotations:     template.Annotations,
			Finalizers:      template.Finalizers,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)},
		},
		Spec: template.Spec,
	}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[appsv1beta1.ManagedLabel] = appsv1beta1.ManagedLabelValue
	pod.Labels[appsv1beta1.RevisionLabel] = revision.Name
	if set.Spec.Lifecycle != nil && set.Spec.Lifecycle.PreNormal != nil {
		pod.Labels[appsv1beta1.LifecycleStateLabel] = string(appsv1beta1.LifecyclePreparingNormal)
	}
	gate := corev1.PodReadinessGate{ConditionType: appsv1beta1.InPlaceUpdateReady}
	if !slices.Contains(pod.Spec.ReadinessGates, gate) {
		pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, gate)
	}
	pod.Spec.Volumes = claimVolumes(set, name, pod.Spec.Volumes)
	return pod
}

// freshNames returns names for new pods. They follow from the CloneSet's UID and from the names in use, now or not long
// ago, so that a creation whose answer was lost is found out when it is tried again, and no pod is made twice. A name that the user has
// listed to be deleted is not given again: the list stays, and would be the end of the new pod, too.
func freshNames(in *Input, used map[string]bool, count int) []string {
	names := make([]string, 0, count)
	fresh := make(map[string]bool, count)
	for _, name := range in.Set.Spec.ScaleStrategy.PodsToDelete {
		fresh[name] = true
	}
	for i := 0; len(names) < count; i++ {
		name := in.Set.Name + "-" + suffix(in.Set.UID, i)
		if used[name] || in.Taken[name] || in.Resting[name] || fresh[name] {
			continue
		}
		fresh[name] = true
		names = append(names, name)
	}
	return names
}

// suffix returns the i-th of a CloneSet's suffixes: five letters and digits that make no words.
func suffix(uid types.UID, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", uid, i))
	text := strconv.FormatUint(binary.BigEndian.Uint64(sum[:])|1<<63, 36)
	return rand.SafeEncodeString(text[len(text)-5:])
}
