package integration_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

func TestCreatesPodsAndScales(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	e.expectCount(3, "are in service", framework.InServiceByGate)
	before := e.identities()

	e.change(setReplicas(5))
	e.untilComplete(app)
	e.expectCount(5, "are in service", framework.InServiceByGate)
	after := e.identities()
	for name, pod := range before {
		if after[name] != pod {
			t.Errorf("scaling out changed pod %s", name)
		}
	}

	e.change(setReplicas(2))
	e.untilComplete(app)
	for name, pod := range e.identities() {
		if after[name] != pod {
			t.Errorf("scaling in changed pod %s", name)
		}
	}

	e.change(setReplicas(0))
	e.untilComplete(app)
	e.until(func() (bool, string) { return len(e.view.Pods(app)) == 0, "pods are left" })
}

func TestReplacesDeletedPod(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	lost := e.view.Pods(app)[0]
	e.must(e.client.Delete(e.ctx, lost))
	e.untilGone(lost)
	e.untilComplete(app)
	e.until(func() (bool, string) {
		return len(e.view.Pods(app)) == 2, "the pod was not replaced:\n" + e.view.Describe(app)
	})
	if e.view.Pod(lost.Name) != nil && e.view.Pod(lost.Name).UID == lost.UID {
		t.Error("the deleted pod is back")
	}
}

// Scaling in the middle of a gray release keeps the old pods old.
func TestScalesWhilePartitioned(t *testing.T) {
	e := newEnv(t)
	e.created(4, setPartition(intstr.FromInt32(2)))
	e.change(setImage(imageV2))
	e.untilPartitionReached(2)

	e.change(setReplicas(6))
	e.untilPartitionReached(4)
	e.expectCount(2, "run the old image", runs(imageV1))

	e.change(setReplicas(3))
	e.untilPartitionReached(1)
	e.expectCount(2, "run the old image", runs(imageV1))
}

// untilPartitionReached waits until as many pods as the partition lets be updated are, and all are available.
func (e *env) untilPartitionReached(updated int32) {
	e.Helper()
	e.untilSet("the partition is not reached", func(set *appsv1beta1.CloneSet) bool {
		s := set.Status
		return s.UpdatedReplicas == updated && s.UpdatedAvailableReplicas == updated &&
			s.AvailableReplicas == *set.Spec.Replicas && reasonOf(set) == appsv1beta1.ReasonPartitionReached
	})
	e.expectCount(int(updated), "run the new image", runs(imageV2))
}
