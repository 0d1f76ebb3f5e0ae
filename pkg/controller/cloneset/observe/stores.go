package observe

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	ownerIndex   = "controller-uid"
	orphanIndex  = "orphan-namespace"
	uidIndex     = "uid"
	targetIndex  = "target-uid"
	serviceIndex = "service"
)

// Stores are the stores behind the manager's cache. They are read without a copy, and each knows the latest
// resourceVersion that it has seen.
type Stores struct {
	Sets, Pods, Claims, Revisions, Slices, Budgets toolscache.Indexer
}

// NewStores returns the stores of a cache, with the indexes that this package needs. It is to be called before the cache
// is started.
func NewStores(ctx context.Context, c cache.Cache) (Stores, error) {
	var stores Stores
	var err error
	for _, want := range []struct {
		kind     client.Object
		store    *toolscache.Indexer
		indexers toolscache.Indexers
	}{
		{&appsv1beta1.CloneSet{}, &stores.Sets, nil},
		{&corev1.Pod{}, &stores.Pods, toolscache.Indexers{ownerIndex: byOwner, orphanIndex: byNoOwner, uidIndex: byUID}},
		{&corev1.PersistentVolumeClaim{}, &stores.Claims, toolscache.Indexers{claimIndex: byCloneSet}},
		{&appsv1.ControllerRevision{}, &stores.Revisions, toolscache.Indexers{ownerIndex: byOwner, orphanIndex: byNoOwner}},
		{&discoveryv1.EndpointSlice{}, &stores.Slices, toolscache.Indexers{targetIndex: byTarget, serviceIndex: byService}},
		{&policyv1.PodDisruptionBudget{}, &stores.Budgets, nil},
	} {
		if *want.store, err = storeOf(ctx, c, want.kind, want.indexers); err != nil {
			return Stores{}, err
		}
	}
	return stores, nil
}

func storeOf(
	ctx context.Context, c cache.Cache, kind client.Object, indexers toolscache.Indexers,
) (toolscache.Indexer, error) {
	informer, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("informer of %T: %w", kind, err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("informer of %T: %T has no store", kind, informer)
	}
	if indexers != nil {
		if err := shared.AddIndexers(indexers); err != nil {
			return nil, fmt.Errorf("indexes of %T: %w", kind, err)
		}
	}
	return shared.GetIndexer(), nil
}

// PodByUID returns a pod of the cache, or nil.
func (s Stores) PodByUID(uid types.UID) *corev1.Pod {
	if pods, err := byIndex[*corev1.Pod](s.Pods, uidIndex, string(uid)); err == nil && len(pods) > 0 {
		return pods[0]
	}
	return nil
}

func byOwner(object any) ([]string, error) {
	if meta, ok := object.(metav1.Object); ok {
		if owner := metav1.GetControllerOfNoCopy(meta); owner != nil {
			return []string{string(owner.UID)}, nil
		}
	}
	return nil, nil
}

func byUID(object any) ([]string, error) {
	if meta, ok := object.(metav1.Object); ok {
		return []string{string(meta.GetUID())}, nil
	}
	return nil, nil
}

func byTarget(object any) ([]string, error) {
	slice, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, nil
	}
	uids := make([]string, 0, len(slice.Endpoints))
	for i := range slice.Endpoints {
		uids = append(uids, string(slice.Endpoints[i].TargetRef.UID))
	}
	return uids, nil
}

// Flipped returns the pods whose endpoints began or ended serving between two versions of an EndpointSlice, either of
// which may be nil.
func Flipped(before, after *discoveryv1.EndpointSlice) []types.UID {
	was := servingOf(before)
	var flipped []types.UID
	for uid, serving := range servingOf(after) {
		if old, ok := was[uid]; !ok || old != serving {
			flipped = append(flipped, uid)
		}
		delete(was, uid)
	}
	for uid := range was {
		flipped = append(flipped, uid)
	}
	return flipped
}

func servingOf(slice *discoveryv1.EndpointSlice) map[types.UID]bool {
	serving := map[types.UID]bool{}
	if slice == nil {
		return serving
	}
	for i := range slice.Endpoints {
		uid := slice.Endpoints[i].TargetRef.UID
		serving[uid] = serving[uid] || isServing(&slice.Endpoints[i])
	}
	return serving
}
