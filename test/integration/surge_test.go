package integration_test

import (
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

func setSurge(unavailable, surge string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		rolling := &set.Spec.UpdateStrategy.RollingUpdate
		rolling.MaxUnavailable, rolling.MaxSurge = new(intstr.Parse(unavailable)), new(intstr.Parse(surge))
	}
}

// extremes watches how many pods are ready at the least and how many exist at the most.
func (e *env) extremes() (leastReady, mostAlive func() int) {
	e.Helper()
	var least, most atomic.Int64
	least.Store(1 << 30)
	stop := e.view.Observe(func() {
		ready, alive := 0, 0
		for _, pod := range e.view.Pods(app) {
			if pod.DeletionTimestamp != nil {
				continue
			}
			alive++
			if framework.IsReady(pod) {
				ready++
			}
		}
		least.Store(min(least.Load(), int64(ready)))
		most.Store(max(most.Load(), int64(alive)))
	})
	e.Cleanup(stop)
	return func() int { return int(least.Load()) }, func() int { return int(most.Load()) }
}

// untilSettled waits for the end of a rollout, and for the pods that are deleted in the end to be gone.
func (e *env) untilSettled() {
	e.Helper()
	e.untilComplete(app)
	e.until(func() (bool, string) {
		pods := e.view.Pods(app)
		leaving := slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil })
		settled := !leaving && len(pods) == int(e.view.CloneSet(app).Status.Replicas)
		return settled, "a pod that is deleted is still there:\n" + e.view.Describe(app)
	})
}

// kept returns how many of the pods there were before are there still, and stay.
func (e *env) kept(before map[string]identity) int {
	e.Helper()
	return e.count(func(pod *corev1.Pod) bool { return before[pod.Name].uid == pod.UID })
}

// A surge keeps the capacity: a pod comes up first, the others are updated in place, and one old pod is deleted.
func TestSurgesAndStays(t *testing.T) {
	e := newEnv(t)
	e.created(4, setSurge("0", "1"))
	before := e.identities()
	leastReady, mostAlive := e.extremes()
	e.change(setImage(imageV2))
	e.untilSettled()
	e.expectCount(4, "run the new image", runs(imageV2))
	if kept := e.kept(before); kept != 3 {
		t.Errorf("%d of the 4 pods are still there, want 3", kept)
	}
	if leastReady() < 4 || mostAlive() != 5 {
		t.Errorf("at least %d pods were ready, at most %d existed; want 4 and 5", leastReady(), mostAlive())
	}
	// 4 + 1 pods made, 3 updated in place by three writes each, one deleted.
	e.expectPodWrites(map[string]int{"create": 4 + 1, "patch status": 4 + 1 + 2*3, "patch": 3, "delete": 1})
	e.expectNoConflict()
}

// Where no pod is to be replaced, it is the surge pod that goes.
func TestSurgesAndGoes(t *testing.T) {
	e := newEnv(t)
	e.created(3, setSurge("0", "1"), setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	before := e.identities()
	leastReady, _ := e.extremes()
	e.change(setImage(imageV2))
	e.untilSettled()
	e.expectIdentities(before)
	e.expectCount(3, "run the new image", runs(imageV2))
	if leastReady() < 3 {
		t.Errorf("at least %d pods were ready, want 3", leastReady())
	}
}

// A newer template comes before the surge pod of the one before is gone: it is that pod that goes all the same, with its
// claim, and no other one does.
func TestSurgesWithClaimsForATemplateThatIsGivenUp(t *testing.T) {
	for name, reuse := range map[string]bool{"claims go with pods": false, "claims are reused": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(3, setSurge("0", "1"), setClaims("data"), setReuse(reuse))
			owner := map[bool]string{false: "Pod", true: "CloneSet"}[reuse]
			claims, before := e.untilClaimed(owner, "data"), e.identities()
			leastReady, mostAlive := e.extremes()
			e.change(setImage(imageV2))
			surge := e.untilPod("no pod surges", func(pod *corev1.Pod) bool {
				return pod.Labels[appsv1beta1.SurgeLabel] == appsv1beta1.SurgeTemporary && framework.IsReady(pod)
			})
			e.untilPod("no pod is updated", func(pod *corev1.Pod) bool { return pod.Name != surge.Name && runs(imageV2)(pod) })
			e.change(setImage(imageV1), setLabel("tier", "front"))
			e.untilSettled()
			e.expectIdentities(before)
			e.expectCount(3, "run the image of the newer template", runs(imageV1))
			if after := e.untilClaimed(owner, "data"); !maps.Equal(claims, after) {
				t.Errorf("the claims are %v, want %v", after, claims)
			}
			if leastReady() < 3 || mostAlive() != 4 {
				t.Errorf("at least %d pods were ready, at most %d existed; want 3 and 4", leastReady(), mostAlive())
			}
		})
	}
}

// An image that does not run costs a surge pod and no capacity, and the way back costs nothing either.
func TestSurgeShowsThatAnImageDoesNotRun(t *testing.T) {
	e := newEnv(t)
	e.created(3, setSurge("0", "1"))
	before := e.identities()
	leastReady, mostAlive := e.extremes()
	e.change(setImage(brokenImage))
	e.untilSet("the broken image is not reported", func(set *appsv1beta1.CloneSet) bool {
		return reasonOf(set) == appsv1beta1.ReasonPausedByFailures
	})
	e.change(setImage(imageV1))
	e.untilSettled()
	if kept := e.kept(before); kept != 3 {
		t.Errorf("%d of the 3 pods are still there", kept)
	}
	if leastReady() < 3 || mostAlive() != 4 {
		t.Errorf("at least %d pods were ready, at most %d existed; want 3 and 4", leastReady(), mostAlive())
	}
}

func TestNothingSurgesForLabelsNorWhilePaused(t *testing.T) {
	e := newEnv(t)
	e.created(3, setSurge("0", "2"))
	before := e.identities()
	_, mostAlive := e.extremes()
	e.change(setLabel("tier", "front"))
	e.untilSettled()
	e.expectIdentities(before)
	e.change(setPaused(true), setImage(imageV2))
	e.untilSet("the pause is not reported", func(set *appsv1beta1.CloneSet) bool {
		return reasonOf(set) == appsv1beta1.ReasonPaused
	})
	if mostAlive() != 3 {
		t.Errorf("%d pods existed, want 3", mostAlive())
	}
	e.change(setPaused(false))
	e.untilSettled()
	e.expectCount(3, "run the new image", runs(imageV2))
}

// Replicas change in the middle of an update with a surge and a partition.
func TestScalesWhileItSurges(t *testing.T) {
	e := newEnv(t)
	e.created(4, setSurge("0", "1"), setPartition(intstr.FromInt32(2)))
	e.change(setImage(imageV2))
	e.change(setReplicas(6))
	e.untilPartitionReached(4)
	e.expectCount(2, "run the old image", runs(imageV1))
	e.change(setReplicas(3))
	e.untilPartitionReached(1)
	e.change(setPartition(intstr.FromInt32(0)))
	e.untilSettled()
	e.expectCount(3, "run the new image", runs(imageV2))
}

// Pods that the user names are deleted and replaced, whether by label or by name; the spec stays as it is.
func TestDeletesSpecifiedPods(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	pods := e.view.Pods(app)
	byName, byLabel := pods[0], pods[1]
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.PodsToDelete = []string{byName.Name, "nobody"} })
	e.edit(byLabel, func(pod *corev1.Pod) { pod.Labels[appsv1beta1.SpecifiedDeleteLabel] = "" })
	e.untilGone(byName)
	e.untilGone(byLabel)
	e.untilSettled()
	set := e.view.CloneSet(app)
	if got := set.Spec.ScaleStrategy.PodsToDelete; len(got) != 2 {
		t.Errorf("the list of pods to be deleted was changed to %v", got)
	}
	if e.view.Pod(byName.Name) != nil {
		t.Error("a new pod was given a name that is listed to be deleted")
	}
	// With fewer replicas, it is the named pod that goes.
	victim := e.view.Pods(app)[2]
	e.change(setReplicas(2), func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.PodsToDelete = []string{victim.Name} })
	e.untilGone(victim)
	e.untilSettled()
}

// What somebody writes onto pods counts from when the manager has seen it. One that starts has seen all there is.
func TestDeletionCostDecides(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(3)
	cheap := e.view.Pods(app)[1]
	e.restart(m, func() {
		e.edit(cheap, func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{corev1.PodDeletionCost: "-10"}
		})
	})
	e.change(setReplicas(2))
	e.untilGone(cheap)
	e.untilSettled()
}

// The pods that the priorities put first are the ones that a partition lets be updated.
func TestPrioritiesChooseTheCanaries(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(4, setPartition(intstr.FromInt32(3)), func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.PriorityStrategy = &appsv1beta1.PriorityStrategy{
			OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "canary"}},
		}
	})
	canary := e.view.Pods(app)[2]
	e.restart(m, func() {
		e.edit(canary, func(pod *corev1.Pod) { pod.Labels["canary"] = "1" })
	})
	e.change(setImage(imageV2))
	e.untilPartitionReached(1)
	e.untilKnown(canary, "is the one that was updated", runs(imageV2))
}

// A rollout that cannot go on is reported, and goes on when it can.
func TestProgressDeadline(t *testing.T) {
	e := newEnv(t)
	e.created(2, func(set *appsv1beta1.CloneSet) { set.Spec.ProgressDeadlineSeconds = new(int32(3)) })
	e.change(setImage(brokenImage))
	e.untilSet("the deadline is not reported", func(set *appsv1beta1.CloneSet) bool {
		return reasonOf(set) == appsv1beta1.ReasonProgressDeadlineExceeded
	})
	e.change(setImage(imageV2))
	e.untilSettled()
}
