package revision

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// lost returns the revisions that a CloneSet had when it was looked at last, and has no more, as they are to be made
// again: nobody but this process knows what was in them. It takes note of those that there are now.
func (k *Keeper) lost(set *appsv1beta1.CloneSet, history []*appsv1.ControllerRevision) []*appsv1.ControllerRevision {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := k.kept[set.UID]
	if kept == nil {
		kept = make(map[string]*appsv1.ControllerRevision, len(history))
	}
	gone := maps.Clone(kept)
	for _, revision := range history {
		kept[revision.Name] = revision
		delete(gone, revision.Name)
	}
	if k.kept == nil {
		k.kept = map[types.UID]map[string]*appsv1.ControllerRevision{}
	}
	k.kept[set.UID] = kept
	var lost []*appsv1.ControllerRevision
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		lost = append(lost, anew(set, gone[name]))
	}
	return lost
}

// anew returns a revision of a CloneSet as it is to be made again.
func anew(set *appsv1beta1.CloneSet, revision *appsv1.ControllerRevision) *appsv1.ControllerRevision {
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Name: revision.Name, Namespace: revision.Namespace, Labels: revision.Labels, Annotations: revision.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)},
		},
		Data: revision.Data, Revision: revision.Revision,
	}
}

// Drop forgets a revision that a CloneSet needs no more.
func (k *Keeper) Drop(set types.UID, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept[set], name)
}

// DropAll forgets the revisions of a CloneSet that is gone.
func (k *Keeper) DropAll(set types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, set)
}
