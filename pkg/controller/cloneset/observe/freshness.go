package observe

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
)

// Freshness tells whether the caches hold what this process wrote for a CloneSet. A plan made from older caches would do
// the same things again, out of a budget that was spent. It never blocks: a pass that finds the caches behind ends, and
// the event that brings them up starts the next one.
type Freshness struct {
	stores Stores
	mu     sync.Mutex
	owners map[types.NamespacedName]*written
}

// written is what was written for one CloneSet and not seen in the caches yet.
type written struct {
	set, pods, claims, revisions, budgets string
	// deleted are pods whose deletion was accepted. Its answer tells no resourceVersion.
	deleted map[types.NamespacedName]types.UID
	// deletedClaims are claims whose deletion was accepted.
	deletedClaims map[types.NamespacedName]types.UID
	// doubted are the names of pods for which a call was made whose outcome is not known, and doubtedBudgets those of
	// PodDisruptionBudgets.
	doubted, doubtedBudgets map[string]bool
	// turnedAway tells that a pass found the caches behind and ended.
	turnedAway bool
}

// NewFreshness returns a Freshness for some stores.
func NewFreshness(stores Stores) *Freshness {
	return &Freshness{stores: stores, owners: map[types.NamespacedName]*written{}}
}

func (f *Freshness) owner(key types.NamespacedName) *written {
	w := f.owners[key]
	if w == nil {
		w = &written{
			deleted: map[types.NamespacedName]types.UID{}, deletedClaims: map[types.NamespacedName]types.UID{},
			doubted: map[string]bool{}, doubtedBudgets: map[string]bool{},
		}
		f.owners[key] = w
	}
	return w
}

// WroteSet takes note of the resourceVersion of a CloneSet that was written.
func (f *Freshness) WroteSet(owner types.NamespacedName, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raise(&f.owner(owner).set, rv)
}

// WrotePod takes note of the resourceVersion of a pod that was written.
func (f *Freshness) WrotePod(owner types.NamespacedName, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raise(&f.owner(owner).pods, rv)
}

// WroteClaim takes note of the resourceVersion of a claim that was written.
func (f *Freshness) WroteClaim(owner types.NamespacedName, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raise(&f.owner(owner).claims, rv)
}

// WroteRevision takes note of the resourceVersion of a revision that was written.
func (f *Freshness) WroteRevision(owner types.NamespacedName, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raise(&f.owner(owner).revisions, rv)
}

// WroteBudget takes note of the resourceVersion of a PodDisruptionBudget that was written.
func (f *Freshness) WroteBudget(owner types.NamespacedName, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raise(&f.owner(owner).budgets, rv)
}

// DeletedPod takes note of a pod whose deletion was accepted.
func (f *Freshness) DeletedPod(owner types.NamespacedName, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner(owner).deleted[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = pod.UID
}

// DeletedClaim takes note of a claim whose deletion was accepted.
func (f *Freshness) DeletedClaim(owner types.NamespacedName, claim *corev1.PersistentVolumeClaim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner(owner).deletedClaims[types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}] = claim.UID
}

// Doubt takes note of a call for a pod that may have taken effect or not.
func (f *Freshness) Doubt(owner types.NamespacedName, pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner(owner).doubted[pod] = true
}

// Doubted returns the pods for which a call was made whose outcome is not known, by name.
func (f *Freshness) Doubted(owner types.NamespacedName) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.owners[owner]; w != nil {
		return slices.Sorted(maps.Keys(w.doubted))
	}
	return nil
}

// Settle takes note of what a pod was found to be: its resourceVersion, or nothing if there is none.
func (f *Freshness) Settle(owner types.NamespacedName, pod, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.owner(owner).doubted, pod)
	if rv != "" {
		raise(&f.owner(owner).pods, rv)
	}
}

// DoubtBudget takes note of a write of a PodDisruptionBudget that may have taken effect or not.
func (f *Freshness) DoubtBudget(owner types.NamespacedName, budget string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner(owner).doubtedBudgets[budget] = true
}

// DoubtedBudgets returns the PodDisruptionBudgets of which the outcome of a write is not known, by name.
func (f *Freshness) DoubtedBudgets(owner types.NamespacedName) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.owners[owner]; w != nil {
		return slices.Sorted(maps.Keys(w.doubtedBudgets))
	}
	return nil
}

// SettleBudget takes note of what a PodDisruptionBudget was found to be: its resourceVersion, or nothing if there is none.
func (f *Freshness) SettleBudget(owner types.NamespacedName, budget, rv string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.owner(owner).doubtedBudgets, budget)
	if rv != "" {
		raise(&f.owner(owner).budgets, rv)
	}
}

// IsFresh tells whether the caches hold all that was written for a CloneSet.
func (f *Freshness) IsFresh(owner types.NamespacedName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.owners[owner]
	if w == nil {
		return true
	}
	if len(w.doubted)+len(w.doubtedBudgets) > 0 {
		return false
	}
	if !seenDeleted(f.stores.Pods, w.deleted) || !seenDeleted(f.stores.Claims, w.deletedClaims) ||
		!holds(f.stores.Sets, w.set) || !holds(f.stores.Pods, w.pods) ||
		!holds(f.stores.Claims, w.claims) || !holds(f.stores.Revisions, w.revisions) || !holds(f.stores.Budgets, w.budgets) {
		w.turnedAway = true
		return false
	}
	delete(f.owners, owner)
	return true
}

// TurnedAway tells whether a pass ended because the caches were behind, so that an event that would mean nothing else has
// to start another one.
func (f *Freshness) TurnedAway(owner types.NamespacedName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.owners[owner]
	return w != nil && w.turnedAway
}

// Forget drops what is known of a CloneSet.
func (f *Freshness) Forget(owner types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.owners, owner)
}

// seenDeleted tells whether a store holds none of some objects any more, or holds them terminating. It forgets those.
func seenDeleted(store toolscache.Indexer, deleted map[types.NamespacedName]types.UID) bool {
	maps.DeleteFunc(deleted, func(key types.NamespacedName, uid types.UID) bool {
		object, exists, err := store.GetByKey(key.String())
		found, ok := object.(metav1.Object)
		return err != nil || !exists || !ok || found.GetUID() != uid || found.GetDeletionTimestamp() != nil
	})
	return len(deleted) == 0
}

// holds tells whether a store has seen a resourceVersion.
func holds(store toolscache.Indexer, rv string) bool {
	if rv == "" {
		return true
	}
	seen := store.LastStoreSyncResourceVersion()
	order, err := resourceversion.CompareResourceVersion(seen, rv)
	// Versions that cannot be compared are no reason to wait for ever.
	return seen != "" && (err != nil || order >= 0)
}

// raise sets a resourceVersion to a later one.
func raise(current *string, rv string) {
	if order, err := resourceversion.CompareResourceVersion(rv, *current); *current == "" || (err == nil && order > 0) {
		*current = rv
	}
}
