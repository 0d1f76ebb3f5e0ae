package plan

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// A node that cannot pull keeps no other one from it, not for longer than a minute. It is tried again when there is a place.
func TestNodeWhereNoneCanRunLeavesItsPlaceToOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		outcome status
		again   []string
	}{"lost": {func(*corev1.Pod) {}, []string{}}, "full": {isFull, []string{"EndRehearsal n1", "Rehearse n1"}}} {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(2, rehearsed(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.Parallelism = new(int32(1)) }))
			in := rehearsing(set, tt.outcome, spreadOver("n1", "n2")...)
			expectRehearsals(t, Compute(in))
			in.Now = in.Now.Add(rehearsalRetry)
			p := Compute(in)
			expectRehearsals(t, p, "Rehearse n2")
			perform(&in, p, pulls())
			expectRehearsals(t, Compute(in))
			has()(in.Rehearsals[1])
			in.Rehearsals[1].Status.ContainerStatuses = in.Rehearsals[1].Status.ContainerStatuses[1:]
			p = Compute(in)
			expectDrains(t, p, "Drain web-n2")
			expectRehearsals(t, p, tt.again...)
		})
	}
}

// What was impossible before is not any more once the node is at it.
func TestRehearsalThatRunsIsWaitedFor(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed()), isFull, spreadOver("n1")...)
	in.Now = in.Now.Add(rehearsalRetry)
	perform(&in, Compute(in), pulls())
	proceeding(&in.Set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy)
	p := Compute(in)
	expectDrains(t, p)
	expectReason(t, p, appsv1beta1.ReasonRehearsing, "node n1 has been pulling app:b since")
}

func TestImageIsNamedOnce(t *testing.T) {
	in := withHistory(inputOf(cloneSet(1, inPlaceAs(pinning), rehearsed()), spreadOver("n1")...))
	expectReason(t, Compute(in), appsv1beta1.ReasonRehearsing, "node n1 is to pull app:b")
	for _, note := range Compute(in).Status.PodNotes {
		if strings.Count(note.Message, "app:b") != 1 {
			t.Errorf("the note is %q", note.Message)
		}
	}
}
