package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// ErrOutdated tells that a CloneSet is gone, or about to be, though the cache does not say so yet.
var ErrOutdated = errors.New("the cache holds a CloneSet that is gone")

// byNoOwner finds objects that no controller owns.
func byNoOwner(object any) ([]string, error) {
	meta, ok := object.(metav1.Object)
	if !ok || metav1.GetControllerOfNoCopy(meta) != nil {
		return nil, nil
	}
	return []string{meta.GetNamespace()}, nil
}

// suitor is a CloneSet that may adopt what its selector matches.
type suitor struct {
	set      *appsv1beta1.CloneSet
	selector labels.Selector
}

// suitors returns the CloneSets of a namespace that are not being deleted, the oldest first.
func (s Stores) suitors(namespace string) []suitor {
	found, err := byIndex[*appsv1beta1.CloneSet](s.Sets, toolscache.NamespaceIndex, namespace)
	if err != nil {
		return nil // The index is there from the start.
	}
	suitors := make([]suitor, 0, len(found))
	for _, set := range found {
		selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
		if err == nil && !selector.Empty() && set.DeletionTimestamp == nil {
			suitors = append(suitors, suitor{set, selector})
		}
	}
	slices.SortFunc(suitors, func(a, b suitor) int {
		return cmp.Or(a.set.CreationTimestamp.Compare(b.set.CreationTimestamp.Time), strings.Compare(a.set.Name, b.set.Name))
	})
	return suitors
}

// choose returns the CloneSet that adopts what has some labels, or nil. Where the selectors of several match, it is the
// oldest one, so that two never fight.
func choose(suitors []suitor, has labels.Set) *appsv1beta1.CloneSet {
	for _, suitor := range suitors {
		if suitor.selector.Matches(has) {
			return suitor.set
		}
	}
	return nil
}

// Adopter returns the CloneSet that is to adopt an object of the cache, or nil.
func (s Stores) Adopter(object metav1.Object) *appsv1beta1.CloneSet {
	if !isOrphan(object) {
		return nil
	}
	return choose(s.suitors(object.GetNamespace()), object.GetLabels())
}

// Orphans returns the pods and the revisions of a namespace that no controller owns.
func (s Stores) Orphans(namespace string) []client.Object {
	var orphans []client.Object
	for _, store := range []toolscache.Indexer{s.Pods, s.Revisions} {
		if found, err := byIndex[client.Object](store, orphanIndex, namespace); err == nil {
			orphans = append(orphans, found...)
		}
	}
	return orphans
}

// isOrphan tells whether an object may be adopted: nobody controls it, and it is not on its way out.
func isOrphan(object metav1.Object) bool {
	pod, isPod := object.(*corev1.Pod)
	ended := isPod && (pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded)
	return metav1.GetControllerOfNoCopy(object) == nil && object.GetDeletionTimestamp() == nil && !ended && !inplace.IsRehearsal(object)
}

// isLeaving tells whether a CloneSet is gone, or about to be, by what the cache holds now. That may be news since a pass began.
func (s Stores) isLeaving(set *appsv1beta1.CloneSet) bool {
	found, _, err := s.Sets.GetByKey(set.Namespace + "/" + set.Name)
	now, ok := found.(*appsv1beta1.CloneSet)
	return err != nil || !ok || now.UID != set.UID || now.DeletionTimestamp != nil
}

// orphansFor returns the objects of a store that a CloneSet is to adopt. Before anything is adopted the CloneSet is read
// past the cache: one that is being deleted must not take back what it has just given up, nor miss it and make it again, and
// a new one of the same name has another UID.
func orphansFor[T metav1.Object](
	ctx context.Context, o *Observer, store toolscache.Indexer, set *appsv1beta1.CloneSet,
) ([]T, error) {
	found, err := byIndex[T](store, orphanIndex, set.Namespace)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if o.Stores.isLeaving(set) {
		return nil, ErrOutdated
	}
	suitors := o.Stores.suitors(set.Namespace)
	found = slices.DeleteFunc(found, func(object T) bool {
		adopter := choose(suitors, object.GetLabels())
		return !isOrphan(object) || adopter == nil || adopter.UID != set.UID
	})
	if len(found) == 0 {
		return nil, nil
	}
	return found, o.confirm(ctx, set)
}

// confirm returns ErrOutdated unless a CloneSet exists and is not being deleted.
func (o *Observer) confirm(ctx context.Context, set *appsv1beta1.CloneSet) error {
	live := &appsv1beta1.CloneSet{}
	err := o.Live.Get(ctx, client.ObjectKeyFromObject(set), live)
	switch {
	case apierrors.IsNotFound(err), err == nil && (live.UID != set.UID || live.DeletionTimestamp != nil):
		return ErrOutdated
	case err != nil:
		return fmt.Errorf("finding out whether CloneSet %s is still there: %w", set.Name, err)
	}
	return nil
}
