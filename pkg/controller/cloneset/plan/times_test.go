package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

func timesOf(updates int32) *appsv1beta1.UpdateTimes {
	return &appsv1beta1.UpdateTimes{
		Revision: revisionB, Updates: updates, Phases: []appsv1beta1.PhaseTimes{{
			Phase: appsv1beta1.UpdateStart, Count: updates,
			P50: metav1.Duration{Duration: time.Second}, P95: metav1.Duration{Duration: time.Second},
		}},
	}
}

// settled returns what is observed of a complete rollout whose status says all there is to say, but for the times.
func settled() Input {
	in := inputOf(cloneSet(2), updated("a"), updated("b"))
	in.Revisions.Current = in.Revisions.Update
	in.Set.Status = Compute(in).Status
	in.Set.Status.UpdateTimes = timesOf(1)
	return in
}

// How long updates took is told with what else there is to tell, and by itself once nothing more is to come.
func TestStatusTellsTimes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Input)
		want   int32
	}{
		"nothing was seen, as by a new manager": {func(in *Input) { in.UpdateTimes = nil }, 1},
		"nothing more is to come":               {func(*Input) {}, 2},
		"another update is on its way":          {func(in *Input) { in.MoreUpdates = true }, 1},
		"something else changes meanwhile": {func(in *Input) {
			in.MoreUpdates = true
			in.Pods = in.Pods[:1]
		}, 2},
		"something is to be done, and nothing else is told": {func(in *Input) {
			in.Pods[0] = in.Pods[0].DeepCopy()
			delete(in.Pods[0].Labels, appsv1beta1.ManagedLabel)
		}, 1},
		"the rollout waits for a pod": {func(in *Input) {
			in.Pods = []*corev1.Pod{updated("a", notReady()), old("b")}
			in.Set.Status = Compute(*in).Status
			in.Set.Status.UpdateTimes = timesOf(1)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			in := settled()
			in.UpdateTimes = timesOf(2)
			test.change(&in)
			if got := Compute(in).Status.UpdateTimes; got == nil || got.Updates != test.want {
				t.Errorf("the status tells %+v, want %d updates", got, test.want)
			}
		})
	}
}

// The write that ends an update tells of it what was seen.
func TestConfirmTellsOfTheUpdate(t *testing.T) {
	pod := patchedTo(t, "a")
	pod.Status.ObservedGeneration = pod.Generation
	pod.Status.ContainerStatuses[0].ContainerID, pod.Status.ContainerStatuses[0].ImageID = "cri://web-2", "app@sha256:b"
	in := inputOf(cloneSet(1), pod)
	in.Times = map[types.UID]*inplace.Times{pod.UID: (*inplace.Times)(nil).SeeWaiting(true, true, now()).SeeWaiting(false, true, now().Add(time.Second))}
	p := Compute(in)
	expect(t, p, "Confirm a")
	last := inplace.ReadLastUpdate(apply(t, pod, p.Actions[0].Patch))
	want := &inplace.LastUpdate{
		Version: 1, Revision: revisionB, Generation: pod.Generation, PlannedRestarts: map[string]int32{"web": 1},
		Counted: []string{"cri://web-1"},
		Phases:  map[appsv1beta1.UpdatePhase]metav1.Duration{appsv1beta1.UpdateRehearse: {Duration: time.Second}},
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("last update (-want +got):\n%s", diff)
	}
}
