// Package observe reads: it makes one snapshot of the world for each pass, and tells whether the caches hold what this
// process wrote last.
package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Observer makes snapshots.
type Observer struct {
	// Stores are the caches.
	Stores Stores
	// Live reads past the caches.
	Live client.Reader
	// Tracker is what is remembered between passes.
	Tracker *Tracker
	// Ledger is what was seen of updates. Without one nothing is told of them.
	Ledger *Ledger
	// Clock tells the time.
	Clock clock.PassiveClock
}

// History returns the revisions that a CloneSet owns, and those without an owner that it is to adopt, from the cache.
func (o *Observer) History(ctx context.Context, set *appsv1beta1.CloneSet) ([]*appsv1.ControllerRevision, error) {
	owned, err := ofOwner[*appsv1.ControllerRevision](o.Stores.Revisions, set.UID)
	if err != nil {
		return nil, err
	}
	orphans, err := orphansFor[*appsv1.ControllerRevision](ctx, o, o.Stores.Revisions, set)
	return append(owned, orphans...), err
}

// Observe returns the snapshot of a CloneSet for one pass. Nothing in it is copied: whoever gets it must not change it.
func (o *Observer) Observe(
	ctx context.Context, set *appsv1beta1.CloneSet, revisions plan.Revisions,
) (plan.Input, error) {
	pods, err := ofOwner[*corev1.Pod](o.Stores.Pods, set.UID)
	if err != nil {
		return plan.Input{}, err
	}
	if err := o.lookForHidden(ctx, set); err != nil {
		return plan.Input{}, err
	}
	o.Tracker.SeeAll(set.UID, pods)
	pods, err = o.withMissing(ctx, set, pods)
	if err != nil {
		return plan.Input{}, err
	}
	orphans, err := orphansFor[*corev1.Pod](ctx, o, o.Stores.Pods, set)
	if err != nil {
		return plan.Input{}, err
	}
	rehearsals, err := byIndex[*corev1.Pod](o.Stores.Pods, rehearsalIndex, string(set.UID))
	if err != nil {
		return plan.Input{}, err
	}
	now := o.Clock.Now()
	in := plan.Input{
		Set: set, Pods: pods, Orphans: orphans, Rehearsals: rehearsals, Revisions: revisions, Now: now,
		Taken: o.Tracker.taken(set.UID), Resting: o.Tracker.Resting(set.UID, now),
		CreateError: o.Tracker.createError(set.UID), Refusal: o.Tracker.refusal(set.UID),
		Sightings: map[types.UID]*inplace.Sighting{}, Endpoints: endpoints{o.Stores, set.Namespace},
		Times:          o.Ledger.All(set.UID),
		ResizeRefusals: o.Tracker.resizeRefusals(set.UID),
	}
	in.UpdateTimes, in.MoreUpdates = o.Ledger.Figures(set.UID)
	if err := o.observeClaims(ctx, &in); err != nil {
		return plan.Input{}, err
	}
	if in.Budgets, err = o.Stores.budgets(set.Namespace); err != nil {
		return plan.Input{}, err
	}
	for _, pod := range pods {
		if err := o.sight(pod, &in); err != nil {
			return plan.Input{}, err
		}
	}
	return in, nil
}

// sight adds what was seen of a pod over time, where a decision may need it.
func (o *Observer) sight(pod *corev1.Pod, in *plan.Input) error {
	gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
	switch {
	case gate == nil:
	case gate.Status == corev1.ConditionFalse:
		serving, err := o.serving(pod.UID)
		if err != nil {
			return err
		}
		in.Sightings[pod.UID] = o.Tracker.SeeDrained(pod.UID, inplace.IsDrained(pod, serving), isReleased(in.Set, pod), in.Now)
	case inplace.IsOpen(pod): // It was patched in service.
		in.Sightings[pod.UID] = o.Tracker.SeeDrained(pod.UID, false, false, in.Now)
	case inplace.IsReady(pod) && inplace.Condition(pod, corev1.PodReady).LastTransitionTime.After(in.Now):
		in.Sightings[pod.UID] = o.Tracker.SeeReady(pod, in.Now)
	}
	return nil
}

// isReleased tells whether nothing sends a drained pod requests any more, if the pod is to say so.
func isReleased(set *appsv1beta1.CloneSet, pod *corev1.Pod) bool {
	return inplace.IsReleased(pod, plan.DrainRulesOf(set).Until)
}

// serving tells whether an endpoint of a pod may be sent traffic.
func (o *Observer) serving(pod types.UID) (bool, error) {
	endpoints, err := o.endpointsOf(pod)
	return slices.ContainsFunc(endpoints, isServing), err
}

// ServesFully tells whether EndpointSlices list a pod, and whether it may be sent traffic by all that they say.
func (o *Observer) ServesFully(pod types.UID) (listed, serving bool, err error) {
	endpoints, err := o.endpointsOf(pod)
	idle := func(endpoint *discoveryv1.Endpoint) bool { return !isServing(endpoint) }
	return len(endpoints) > 0, !slices.ContainsFunc(endpoints, idle), err
}

// endpointsOf returns what EndpointSlices say of a pod.
func (o *Observer) endpointsOf(pod types.UID) ([]*discoveryv1.Endpoint, error) {
	listing, err := byIndex[*discoveryv1.EndpointSlice](o.Stores.Slices, targetIndex, string(pod))
	var found []*discoveryv1.Endpoint
	for _, slice := range listing {
		for i := range slice.Endpoints {
			if slice.Endpoints[i].TargetRef.UID == pod {
				found = append(found, &slice.Endpoints[i])
			}
		}
	}
	return found, err
}

// withMissing adds the pods that left the cache with no deletion seen, and that are alive and still owned.
func (o *Observer) withMissing(
	ctx context.Context, set *appsv1beta1.CloneSet, pods []*corev1.Pod,
) ([]*corev1.Pod, error) {
	missing := o.Tracker.missing(set.UID)
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		uid, pod := missing[name], &corev1.Pod{}
		err := o.Live.Get(ctx, types.NamespacedName{Namespace: set.Namespace, Name: name}, pod)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("looking for pod %s, which left the cache: %w", name, err)
		}
		if apierrors.IsNotFound(err) || pod.UID != uid || !metav1.IsControlledBy(pod, set) {
			o.Tracker.found(set.UID, name)
			continue
		}
		// When the cache has it again, the tracker hears of it.
		if !slices.ContainsFunc(pods, func(cached *corev1.Pod) bool { return cached.UID == uid }) {
			pods = append(pods, TrimPod(pod))
		}
	}
	return pods, nil
}

// ofOwner returns the objects of a store that one owner controls.
func ofOwner[T any](store cache.Indexer, owner types.UID) ([]T, error) {
	return byIndex[T](store, ownerIndex, string(owner))
}

func byIndex[T any](store cache.Indexer, index, value string) ([]T, error) {
	found, err := store.ByIndex(index, value)
	if err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	objects := make([]T, 0, len(found))
	for _, object := range found {
		if typed, ok := object.(T); ok {
			objects = append(objects, typed)
		}
	}
	return objects, nil
}

// Identify finds out whose pod a name is that could not be used, and sees to it that the next pass knows. It returns the
// pod's resourceVersion if it is one of the CloneSet's that the cache lags behind with.
func (o *Observer) Identify(ctx context.Context, set *appsv1beta1.CloneSet, name string) (string, error) {
	pod := &corev1.Pod{}
	err := o.Live.Get(ctx, types.NamespacedName{Namespace: set.Namespace, Name: name}, pod)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("looking for pod %s: %w", name, err)
	case !metav1.IsControlledBy(pod, set):
		o.Tracker.SeeTaken(set.UID, name)
		return "", nil
	case inplace.IsRehearsal(pod): // The cache will tell of it.
	case pod.Labels[appsv1beta1.ManagedLabel] != appsv1beta1.ManagedLabelValue:
		o.Tracker.SeeGone(set.UID, pod)
		return "", nil
	}
	return pod.ResourceVersion, nil
}
