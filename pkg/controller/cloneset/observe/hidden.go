package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// lookForHidden looks, past the cache, for pods of a CloneSet that lost the label by which the cache finds them while
// nobody was watching. It does so once in the life of a process for each CloneSet that an earlier process has worked on;
// that is one request, for metadata. Whether pods are missing does not tell: one may have been made that no status counts
// yet. A CloneSet without a status is looked at by AwaitOrphans.
func (o *Observer) lookForHidden(ctx context.Context, set *appsv1beta1.CloneSet) error {
	if o.Tracker.hasLooked(set.UID) {
		return nil
	}
	if set.Status.ObservedGeneration > 0 {
		if err := o.findHidden(ctx, set); err != nil {
			return err
		}
	}
	o.Tracker.looked(set.UID)
	return nil
}

func (o *Observer) findHidden(ctx context.Context, set *appsv1beta1.CloneSet) error {
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return fmt.Errorf("spec.selector: %w", err)
	}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(podList))
	if err := o.Live.List(ctx, pods, client.InNamespace(set.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return fmt.Errorf("looking for pods without the label %s: %w", appsv1beta1.ManagedLabel, err)
	}
	o.seeHidden(set, pods.Items)
	return nil
}

// seeHidden takes note of those of some pods that belong to a CloneSet, and that the cache does not find.
func (o *Observer) seeHidden(set *appsv1beta1.CloneSet, pods []metav1.PartialObjectMetadata) {
	for i := range pods {
		pod := &pods[i]
		ours := metav1.IsControlledBy(pod, set) && !inplace.IsRehearsal(pod)
		if ours && pod.Labels[appsv1beta1.ManagedLabel] != appsv1beta1.ManagedLabelValue {
			o.Tracker.SeeGone(set.UID, &corev1.Pod{ObjectMeta: pod.ObjectMeta})
		}
	}
}
