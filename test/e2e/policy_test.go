package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

// envPath is where the tests change the environment of the web server.
const envPath = "spec.containers[0].env"

func setEnv(set *appsv1beta1.CloneSet) {
	set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "new"}}
}

func TestChangeThatCannotBeMadeInPlaceRecreatesAndSaysWhy(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.change(setEnv)
	e.untilSet("no note in the status names the field", func(set *appsv1beta1.CloneSet) bool {
		return slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
			return n.Reason == appsv1beta1.NoteRecreate && strings.Contains(n.Message, envPath)
		})
	})
	e.untilComplete()
	e.until(func() (bool, string) {
		return slices.ContainsFunc(e.view.Events(app), func(event *corev1.Event) bool {
			return strings.Contains(event.Message, envPath)
		}), "no event names the field:" + e.view.Describe(app)
	})
	e.until(func() (bool, string) {
		return rollout.Compare(before, e.pods()).SameUID == 0, "pods were not recreated:" + e.view.Describe(app)
	})
}

func TestInPlaceOnlyReportsWhatItCannotDo(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	// Both at a time are refused at admission. This way round they are not, as when the webhook is down.
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.Paused = true
		setEnv(set)
	})
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.Paused = false
		set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.InPlaceOnlyPodUpdatePolicy
	})
	e.untilSet("it is not reported as stalled", func(set *appsv1beta1.CloneSet) bool {
		stalled := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionStalled)
		return stalled != nil && stalled.Status == "True" &&
			stalled.Reason == appsv1beta1.ReasonInPlaceImpossible && strings.Contains(stalled.Message, envPath)
	})
	e.unchanged(before)
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Env = nil })
	e.untilComplete()
	e.unchanged(before)
}

// expectImages checks how many pods that are not being deleted have which image, and that all of them are in service.
func (e *env) expectImages(want map[string]int) {
	e.Helper()
	got := map[string]int{}
	for _, pod := range e.pods() {
		if pod.DeletionTimestamp != nil {
			continue
		}
		got[pod.Spec.Containers[0].Image]++
		if !framework.InServiceByGate(pod) {
			e.Errorf("pod %s is out of service", pod.Name)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		e.Errorf("pods have images %v, want %v", got, want)
	}
}

func (e *env) setPartition(partition intstr.IntOrString) {
	e.Helper()
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.Partition = &partition })
}

func (e *env) scale(replicas int32) {
	e.Helper()
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = &replicas })
}

// untilPartition waits until exactly so many pods are updated and all pods are available.
func (e *env) untilPartition(updated, replicas int32) {
	e.Helper()
	e.untilSet(fmt.Sprintf("there are not %d updated pods of %d", updated, replicas), func(set *appsv1beta1.CloneSet) bool {
		s := set.Status
		return s.Replicas == replicas && s.AvailableReplicas == replicas && s.UpdatedAvailableReplicas == updated &&
			s.ExpectedUpdatedReplicas == updated
	})
}

func TestPartitionKeepsPodsOld(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(w *framework.Workload) { w.Replicas, w.MaxUnavailable = 6, intstr.FromInt32(2) })
	before := e.pods()
	e.setPartition(intstr.FromInt32(4))
	e.setImage(ref(webV2))
	e.untilPartition(2, 6)
	e.expectImages(map[string]int{ref(webV1): 4, ref(webV2): 2})
	e.unchanged(before, framework.MainContainer)

	e.setPartition(intstr.FromString("50%"))
	e.untilPartition(3, 6)
	e.expectImages(map[string]int{ref(webV1): 3, ref(webV2): 3})

	e.scale(8)
	e.untilPartition(4, 8)
	e.expectImages(map[string]int{ref(webV1): 4, ref(webV2): 4})
	e.scale(6)
	e.untilPartition(3, 6)
	e.expectImages(map[string]int{ref(webV1): 3, ref(webV2): 3})

	e.setPartition(intstr.FromInt32(0))
	e.untilComplete()
	e.expectImages(map[string]int{ref(webV2): 6})
}
