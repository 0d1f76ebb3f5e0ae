package plan

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// progressOf returns the reason of Progressing and whether the pods are still being brought to where they belong.
func progressOf(p Plan) (reason string, moving bool) {
	progressing := meta.FindStatusCondition(p.Status.Conditions, appsv1beta1.ConditionProgressing)
	return progressing.Reason, meta.IsStatusConditionTrue(p.Status.Conditions, appsv1beta1.ConditionReconciling)
}

// standing is a CloneSet with a deadline of 10 minutes whose update has been reported to move for the last time a while
// ago.
func standing(ago time.Duration, edits ...edit) *appsv1beta1.CloneSet {
	return cloneSet(2, append([]edit{func(set *appsv1beta1.CloneSet) {
		set.Spec.ProgressDeadlineSeconds = new(int32(600))
		set.Status.ObservedGeneration = set.Generation
		set.Status.UpdateRevision = revisionB
		set.Status.LastProgressTime = new(metav1.NewTime(now().Add(-ago)))
		meta.SetStatusCondition(&set.Status.Conditions, metav1.Condition{
			Type: appsv1beta1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: appsv1beta1.ReasonUpdating,
		})
	}}, edits...)...)
}

// at says when a condition of a pod changed last.
func at(kind corev1.PodConditionType, ago time.Duration) testpods.Option {
	return func(pod *corev1.Pod) {
		for i := range pod.Status.Conditions {
			if pod.Status.Conditions[i].Type == kind {
				pod.Status.Conditions[i].LastTransitionTime = metav1.NewTime(now().Add(-ago))
			}
		}
	}
}

func graceOf(seconds int32) edit {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = &seconds
	}
}

func TestProgressDeadline(t *testing.T) {
	stuck := func(options ...testpods.Option) []*corev1.Pod {
		return []*corev1.Pod{old("a"), updated("b", append(options, notReady())...)}
	}
	crashed := func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "own"}
	}
	tests := map[string]struct {
		set      *appsv1beta1.CloneSet
		pods     []*corev1.Pod
		exceeded bool
		wake     time.Duration
	}{
		"exceeded":     {standing(10 * time.Minute), stuck(), true, 0},
		"not yet":      {standing(9 * time.Minute), stuck(), false, time.Minute},
		"a drain":      {standing(time.Hour), stuck(at(appsv1beta1.InPlaceUpdateReady, time.Minute)), false, 9 * time.Minute},
		"a return":     {standing(time.Hour), []*corev1.Pod{old("a", notReady()), updated("b", at(corev1.PodReady, time.Minute))}, false, 9 * time.Minute},
		"a crash loop": {standing(time.Hour), []*corev1.Pod{old("a", notReady()), updated("b", crashed, at(corev1.PodReady, time.Minute))}, true, 0},
		"a new pod":    {standing(time.Hour), stuck(bornAfter(59 * time.Minute)), false, 9 * time.Minute},
		"turned off": {standing(time.Hour, func(set *appsv1beta1.CloneSet) {
			set.Spec.ProgressDeadlineSeconds = new(int32(2147483647))
		}), stuck(), false, 0},
		"a new revision": {standing(time.Hour, func(set *appsv1beta1.CloneSet) {
			set.Status.UpdateRevision = revisionA
		}), stuck(), false, 10 * time.Minute},
		"an edit":                 {standing(time.Hour, func(set *appsv1beta1.CloneSet) { set.Generation++ }), stuck(), false, 10 * time.Minute},
		"complete":                {standing(time.Hour), numbered(2, updated), false, 0},
		"paused":                  {standing(time.Hour, paused), numbered(2, old), false, 0},
		"paused, and a pod fails": {standing(time.Hour, paused), stuck(), false, 0},
		"paused under OnDelete":   {standing(time.Hour, paused, onlyOnDelete), stuck(), true, 0},
		"ready, and not yet available": {
			standing(time.Hour, func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 300 }),
			[]*corev1.Pod{old("a", notReady()), updated("b", at(corev1.PodReady, time.Minute))},
			false, 4 * time.Minute,
		},
		"available a minute ago": {
			standing(time.Hour, func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 300 }),
			[]*corev1.Pod{old("a", notReady()), updated("b", at(corev1.PodReady, 6*time.Minute))},
			false, 9 * time.Minute,
		},
		"a grace period that is longer": {
			standing(12*time.Minute, graceOf(900)),
			[]*corev1.Pod{drainedOld("a", at(appsv1beta1.InPlaceUpdateReady, 12*time.Minute)), old("b")},
			false, 13 * time.Minute,
		},
		"something new to be done": {standing(time.Hour, func(set *appsv1beta1.CloneSet) {
			set.Status.Conditions[0].Status = metav1.ConditionFalse
		}), stuck(), false, 10 * time.Minute},
		"still exceeded": {standing(time.Hour, func(set *appsv1beta1.CloneSet) {
			set.Status.Conditions[0].Status = metav1.ConditionFalse
			meta.SetStatusCondition(&set.Status.Conditions, metav1.Condition{
				Type: appsv1beta1.ConditionProgressing, Status: metav1.ConditionFalse, Reason: appsv1beta1.ReasonProgressDeadlineExceeded,
			})
		}), stuck(), true, 0},
		"a node whose clock is ahead": {standing(time.Hour), stuck(at(appsv1beta1.InPlaceUpdateReady, -time.Hour)), true, 0},
		"a clock that was set back":   {standing(-time.Hour), stuck(), false, 10 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(inputOf(tt.set, tt.pods...))
			reason, moving := progressOf(p)
			stalled := meta.FindStatusCondition(p.Status.Conditions, appsv1beta1.ConditionStalled)
			if got := reason == appsv1beta1.ReasonProgressDeadlineExceeded; got != tt.exceeded {
				t.Errorf("got reason %s, want it exceeded: %v", reason, tt.exceeded)
			}
			if tt.exceeded && (moving || stalled.Status != metav1.ConditionTrue || !strings.Contains(stalled.Message, "10m0s")) {
				t.Errorf("got moving %v, stalled %v", moving, stalled)
			}
			if p.Wake != tt.wake {
				t.Errorf("got wake %s, want %s", p.Wake, tt.wake)
			}
		})
	}
}

func TestAReadyPodOfTheFutureIsCountedFromWhenItWasSeen(t *testing.T) {
	set := cloneSet(1)
	set.Spec.MinReadySeconds = 10
	in := inputOf(set, updated("a", at(corev1.PodReady, -time.Hour)))
	if p := Compute(in); p.Status.AvailableReplicas != 0 || p.Wake != 10*time.Second {
		t.Errorf("got %d available pods, wake %s, want 0 and 10s", p.Status.AvailableReplicas, p.Wake)
	}
	in.Sightings[in.Pods[0].UID] = in.Sightings[in.Pods[0].UID].SeeReady(now().Add(-10 * time.Second))
	if p := Compute(in); p.Status.AvailableReplicas != 1 {
		t.Error("want the pod to be available 10 s after it was first seen ready")
	}
	set.Spec.MinReadySeconds = 0
	if p := Compute(inputOf(set, updated("a", at(corev1.PodReady, -time.Hour)))); p.Status.AvailableReplicas != 1 {
		t.Error("want a ready pod to be available, where nothing is to be waited for")
	}
}
