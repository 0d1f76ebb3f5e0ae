package integration_test

import (
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// mostAtOnce watches how many pods satisfy a condition at a time, at the most.
func (e *env) mostAtOnce(condition func(*corev1.Pod) bool) func() int {
	e.Helper()
	var most atomic.Int64
	stop := e.view.Observe(func() { most.Store(max(most.Load(), int64(e.count(condition)))) })
	e.Cleanup(stop)
	return func() int { return int(most.Load()) }
}

// Pods are made two at a time, the next ones when those before are available. One that cannot run holds up the others,
// but no deletion.
func TestMakesPodsAFewAtATime(t *testing.T) {
	e := newEnv(t)
	starting := e.mostAtOnce(func(pod *corev1.Pod) bool { return !framework.IsReady(pod) })
	e.created(6, func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.MaxUnavailable = new(intstr.FromInt32(2)) })
	if starting() != 2 {
		t.Errorf("%d pods were starting at a time, want 2", starting())
	}
	e.change(setImage(brokenImage), setPolicy(appsv1beta1.ReCreatePodUpdatePolicy), setPaused(true))
	e.change(setReplicas(9))
	e.untilReason(appsv1beta1.ReasonPodsFailing, "")
	e.untilSet("pods are made beyond the limit", func(set *appsv1beta1.CloneSet) bool { return set.Status.Replicas == 8 })
	e.change(setReplicas(5))
	e.untilSet("the pods that are too many are not deleted", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.Replicas == 5 && set.Status.AvailableReplicas == 5
	})
	e.expectCount(5, "run the old image", runs(imageV1))
}

// A pod that waits for its preDelete hook is replaced before the hook is done. If it is wanted again, it stays instead.
func TestReplacesPodsThatWaitToBeDeleted(t *testing.T) {
	e := newEnv(t)
	e.hookedSet(2, deleteHook, func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.ExcludePreparingDelete = true })
	pod := e.view.Pods(app)[0]
	e.edit(e.view.Pod(pod.Name), func(pod *corev1.Pod) { pod.Labels[appsv1beta1.SpecifiedDeleteLabel] = "" })
	e.untilState(pod, appsv1beta1.LifecyclePreparingDelete)
	e.until(func() (bool, string) {
		return e.count(framework.IsReady) == 3, "there is no replacement:\n" + e.view.Describe(app)
	})
	e.takeOff(pod)
	e.untilGone(pod)
	e.untilComplete(app)

	for _, pod := range e.view.Pods(app) {
		e.putOn(pod)
	}
	e.change(setReplicas(1))
	pod = e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingDelete))
	e.change(setReplicas(2))
	e.untilState(pod, appsv1beta1.LifecycleNormal)
	e.untilComplete(app)
	e.expectCreated(3)
}

// Replicas change while a pod restarts: the update goes on, at no time is more out of service than allowed, and pods that
// are made meanwhile are new from the start.
func TestScalesInTheMiddleOfAnUpdate(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]int32{"out": 6, "in": 2} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(4)
			before := e.identities()
			leastReady, _ := e.extremes()
			e.change(setImage(slowImage), unrehearsed)
			e.untilPod("is restarting", isRestarting)
			e.change(setReplicas(replicas))
			e.untilComplete(app)
			e.until(func() (bool, string) {
				return len(e.view.Pods(app)) == int(replicas), "pods are left:\n" + e.view.Describe(app)
			})
			e.expectCount(int(replicas), "run the new image", runs(slowImage))
			if kept := e.kept(before); kept != min(4, int(replicas)) {
				t.Errorf("%d of the 4 pods are still there", kept)
			}
			if least := min(4, int(replicas)) - 1; leastReady() < least {
				t.Errorf("at least %d pods were ready, want %d", leastReady(), least)
			}
			e.expectCreated(max(4, int(replicas)))
		})
	}
}

// Whatever happens, the manager writes the status of a CloneSet and never its spec.
func TestSpecIsNeverWritten(t *testing.T) {
	e := newEnv(t)
	e.created(3, setSurge("0", "1"), setPartition(intstr.FromString("50%")))
	e.change(setImage(imageV2))
	e.untilPartitionReached(1)
	doomed := e.view.Pods(app)[0].Name
	e.change(setReplicas(2), setPartition(intstr.FromInt32(0)), func(set *appsv1beta1.CloneSet) {
		set.Spec.ScaleStrategy.PodsToDelete = []string{doomed, "nobody"}
	})
	e.untilComplete(app)
	writes := e.managerWrites("clonesets")
	if len(writes) == 0 {
		t.Error("the audit log tells of no status that was written")
	}
	for _, write := range writes {
		if !strings.HasSuffix(kindOf(write), "status") {
			t.Errorf("the manager wrote %s", write)
		}
	}
	if set := e.view.CloneSet(app); set.Generation != 3 || len(set.Spec.ScaleStrategy.PodsToDelete) != 2 {
		t.Errorf("got generation %d and pods to delete %v after two changes", set.Generation, set.Spec.ScaleStrategy.PodsToDelete)
	}
}
