package integration_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func onDelete(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
}

// waiting makes a CloneSet whose pods are left to be deleted.
func (e *env) waiting(replicas int32, changes ...func(*appsv1beta1.CloneSet)) map[string]identity {
	e.Helper()
	e.created(replicas, append(changes, onDelete)...)
	e.change(setImage(imageV2))
	e.untilSet("it does not say that it waits", func(set *appsv1beta1.CloneSet) bool {
		return reasonOf(set) == appsv1beta1.ReasonOnDelete
	})
	e.expectCount(int(replicas), "run the old image", runs(imageV1))
	return e.identities()
}

// expectUpdated waits until all pods are available, so many of them at the new image, and as many of the pods from before
// are still there as there are at the old one.
func (e *env) expectUpdated(updated int, replicas int32, before map[string]identity) {
	e.Helper()
	e.untilSet("the pods are not as they are to be", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.AvailableReplicas == replicas && set.Status.Replicas == replicas && int(set.Status.UpdatedReplicas) == updated &&
			e.kept(before) == int(replicas)-updated
	})
	e.expectCount(updated, "run the new image", runs(imageV2))
}

// However few pods there are, each that is deleted comes back at the new template, and no other is touched.
func TestOnDeleteUpdatesWhatIsDeleted(t *testing.T) {
	t.Parallel()
	for replicas := range int32(4) {
		replicas++
		t.Run(fmt.Sprintf("%d pods", replicas), func(t *testing.T) {
			e := newEnv(t)
			before := e.waiting(replicas)
			for done, pod := range e.view.Pods(app) {
				e.must(e.client.Delete(e.ctx, pod))
				e.untilGone(pod)
				e.expectUpdated(done+1, replicas, before)
			}
			e.untilComplete(app)
			e.expectCreated(2 * int(replicas))
		})
	}
}

// The same goes for pods that the user names to the controller, as the budget allows it, whatever the partition says.
func TestOnDeleteUpdatesSpecifiedPods(t *testing.T) {
	t.Parallel()
	for replicas := range int32(4) {
		replicas++
		t.Run(fmt.Sprintf("%d pods", replicas), func(t *testing.T) {
			e := newEnv(t)
			before := e.waiting(replicas, setPartition(intstr.FromInt32(replicas)))
			pods := e.view.Pods(app)
			byLabel, byName := pods[0], pods[len(pods)-1]
			e.edit(byLabel, func(pod *corev1.Pod) { pod.Labels[appsv1beta1.SpecifiedDeleteLabel] = "" })
			e.change(func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.PodsToDelete = []string{byName.Name} })
			e.untilGone(byLabel)
			e.untilGone(byName)
			e.expectUpdated(min(2, int(replicas)), replicas, before)
		})
	}
}

// Scaling out makes pods of the new template; scaling in deletes old ones first.
func TestOnDeleteScales(t *testing.T) {
	e := newEnv(t)
	before := e.waiting(3)
	e.change(setReplicas(4))
	e.expectUpdated(1, 4, before)
	e.change(setReplicas(2))
	e.expectUpdated(1, 2, before)
	e.change(setReplicas(1))
	e.untilComplete(app)
	e.expectUpdated(1, 1, before)
}
