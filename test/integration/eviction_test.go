package integration_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// counts are those of the status of a PodDisruptionBudget.
type counts struct {
	expected, healthy, desired, allowed int32
}

// A drained pod counts as unhealthy, so that nobody evicts another one while an update has used the budget up. Both
// budgets can be evaluated only through /scale. A pod that is evicted in the end comes back at the new template.
func TestEvictionDuringARollout(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]policyv1.PodDisruptionBudgetSpec{
		"minAvailable in percent": {MinAvailable: new(intstr.FromString("75%"))},
		"maxUnavailable":          {MaxUnavailable: new(intstr.FromInt32(1))},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(4, setGrace(forEver))
			e.protect(spec)
			e.untilBudget(counts{expected: 4, healthy: 4, desired: 3, allowed: 1})

			e.change(setImage(imageV2))
			e.untilPod("is drained", isDraining)
			e.untilBudget(counts{expected: 4, healthy: 3, desired: 3, allowed: 0})
			serving := e.untilPod("is in service", framework.InServiceByGate)
			if err := e.evict(serving); !apierrors.IsTooManyRequests(err) {
				t.Errorf("evicting a pod while another is drained: %v, want it to be refused", err)
			}

			e.change(setGrace(0))
			e.untilComplete(app)
			e.untilBudget(counts{expected: 4, healthy: 4, desired: 3, allowed: 1})
			e.evictAndReplace(e.view.Pods(app)[0])
			e.untilComplete(app)
			e.expectCount(4, "run the new image", runs(imageV2))
		})
	}
}

// In the middle of a rollout a pod of either revision may go. The next one is of the old template where the partition
// keeps one of these, and else of the new one; the rollout goes on to its end.
func TestEvictionComesBackAtItsRevision(t *testing.T) {
	e := newEnv(t)
	e.created(4, setPartition(intstr.FromInt32(2)))
	e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	e.change(setImage(imageV2))
	e.untilPartitionReached(2)
	for _, image := range []string{imageV1, imageV2} {
		e.untilBudget(counts{expected: 4, healthy: 4, desired: 3, allowed: 1})
		successor := e.evictAndReplace(e.untilPod("runs "+image, runs(image)))
		e.untilKnown(successor, "runs "+image, runs(image))
		e.untilPartitionReached(2)
		e.expectCount(2, "run the old image", runs(imageV1))
	}

	e.change(setPartition(intstr.FromInt32(0)), setGrace(forEver))
	drained := e.untilPod("is drained", isDraining)
	e.untilBudget(counts{expected: 4, healthy: 3, desired: 3, allowed: 0})
	drained = e.untilKnown(drained, "is not ready", func(pod *corev1.Pod) bool { return !framework.IsReady(pod) })
	// What is out of service already may go while enough others are healthy.
	e.untilKnown(e.evictAndReplace(drained), "runs the new image", runs(imageV2))
	e.change(setGrace(0))
	e.untilComplete(app)
	e.expectCount(4, "run the new image", runs(imageV2))
}

// protect creates a PodDisruptionBudget for the pods of the test's CloneSet, and returns when these are counted.
func (e *env) protect(spec policyv1.PodDisruptionBudgetSpec) {
	e.Helper()
	spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{framework.AppLabel: app}}
	e.must(e.client.Create(e.ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app}, Spec: spec,
	}))
	e.poll(func() (bool, string) {
		budget := e.counted()
		return budget.Status.ObservedGeneration == budget.Generation, fmt.Sprintf("no pods are counted: %+v", budget.Status)
	})
}

// counted returns the test's PodDisruptionBudget, and has its pods counted again where that has failed: Kubernetes finds out
// about /scale, which most budgets need, up to half a minute after a definition was installed, and tries ever more rarely.
func (e *env) counted() *policyv1.PodDisruptionBudget {
	e.Helper()
	budget := e.budget()
	allowed := apimeta.FindStatusCondition(budget.Status.Conditions, policyv1.DisruptionAllowedCondition)
	if allowed != nil && allowed.Reason == policyv1.SyncFailedReason {
		again := fmt.Appendf(nil, `{"metadata":{"annotations":{"count-after":%q}}}`, budget.ResourceVersion)
		e.must(e.client.Patch(e.ctx, budget, client.RawPatch(types.MergePatchType, again)))
	}
	return budget
}

// untilBudget waits for the counts of the test's PodDisruptionBudget.
func (e *env) untilBudget(want counts) {
	e.Helper()
	e.poll(func() (bool, string) {
		budget := e.counted()
		s := budget.Status
		got := counts{s.ExpectedPods, s.CurrentHealthy, s.DesiredHealthy, s.DisruptionsAllowed}
		return got == want && s.ObservedGeneration == budget.Generation,
			fmt.Sprintf("the budget counts %+v, want %+v: %+v", got, want, s)
	})
}

func (e *env) evict(pod *corev1.Pod) error {
	return e.client.SubResource("eviction").Create(e.ctx, pod.DeepCopy(), &policyv1.Eviction{})
}

// evictAndReplace evicts a pod, waits until it is gone, and returns the one that was made in its place.
func (e *env) evictAndReplace(pod *corev1.Pod) *corev1.Pod {
	e.Helper()
	before := map[types.UID]bool{}
	for _, known := range e.view.Pods(app) {
		before[known.UID] = true
	}
	e.must(e.evict(pod))
	e.untilGone(pod)
	return e.untilPod("was made in its place", func(pod *corev1.Pod) bool { return !before[pod.UID] })
}
