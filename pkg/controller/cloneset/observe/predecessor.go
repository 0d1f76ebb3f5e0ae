package observe

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// podList is the kind of lists of pods.
const podList = "PodList"

// AwaitOrphans returns ErrOutdated while the caches lag behind what a new CloneSet is to adopt. Someone who deletes a
// CloneSet without its pods and makes it again at once would otherwise get pods made beside those that are there, and
// as many of them deleted later. It costs a new CloneSet two requests, for metadata, and any other none. What these show of the
// CloneSet's own pods, which an earlier process may have made before it died, is taken note of.
func (o *Observer) AwaitOrphans(ctx context.Context, set *appsv1beta1.CloneSet) error {
	if set.Status.ObservedGeneration > 0 || o.Tracker.hasLooked(set.UID) {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	switch {
	case err != nil:
		return fmt.Errorf("spec.selector: %w", err)
	case selector.Empty():
		return nil // It adopts nothing.
	}
	for _, kind := range []struct {
		of    schema.GroupVersionKind
		store toolscache.Indexer
	}{
		{corev1.SchemeGroupVersion.WithKind(podList), o.Stores.Pods},
		{appsv1.SchemeGroupVersion.WithKind("ControllerRevisionList"), o.Stores.Revisions},
	} {
		if err := o.await(ctx, set, selector, kind.of, kind.store); err != nil {
			return err
		}
	}
	return nil
}

func (o *Observer) await(
	ctx context.Context, set *appsv1beta1.CloneSet, selector labels.Selector, kind schema.GroupVersionKind, store toolscache.Indexer,
) error {
	live := &metav1.PartialObjectMetadataList{}
	live.SetGroupVersionKind(kind)
	err := o.Live.List(ctx, live, client.InNamespace(set.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return fmt.Errorf("looking for what a CloneSet may adopt: %w", err)
	}
	for i := range live.Items {
		left := &live.Items[i]
		ours := left.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue // The caches hold nothing else.
		if ours && isOrphan(left) && !holds(store, left.ResourceVersion) {
			return ErrOutdated
		}
	}
	if kind.Kind == podList {
		o.seeHidden(set, live.Items)
	}
	return nil
}
