package plan

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func podsToDelete(names ...string) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.PodsToDelete = names }
}

func specified(pod *corev1.Pod) {
	testpods.Label(appsv1beta1.SpecifiedDeleteLabel, "")(pod)
}

func startingOf(value string) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.MaxUnavailable = new(intstr.Parse(value)) }
}

func TestSpecifiedPodsAreDeleted(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"by name": {
			cloneSet(2, podsToDelete("b", "nobody")), []*corev1.Pod{updated("a"), updated("b")}, []string{"DeleteSpecified b"},
		},
		"by label":         {cloneSet(2), []*corev1.Pod{updated("a"), updated("b", specified)}, []string{"DeleteSpecified b"}},
		"and are replaced": {cloneSet(2, podsToDelete("b")), []*corev1.Pod{updated("a")}, []string{"CreatePod at web-b"}},
		"instead of others, when replicas is lowered": {
			cloneSet(1, podsToDelete("a")), []*corev1.Pod{updated("a"), updated("b", bornAfter(1))}, []string{"DeleteSpecified a"},
		},
		"within the budget": {
			cloneSet(3, podsToDelete("a", "b")), numberedABC(updated), []string{"DeleteSpecified a"},
		},
		"whatever the budget, if they are not available": {
			cloneSet(2, podsToDelete("a")),
			[]*corev1.Pod{updated("a", notReady()), updated("b", notReady())},
			[]string{"DeleteSpecified a"},
		},
		"and not updated": {
			cloneSet(2, podsToDelete("a")), []*corev1.Pod{old("a"), old("b", notReady())}, []string{"Drain b"},
		},
		"while paused": {cloneSet(2, paused, podsToDelete("a")), []*corev1.Pod{old("a"), old("b")}, []string{"DeleteSpecified a"}},
		"after a surge pod took their place": {
			cloneSet(1, surgeOf("0", "1"), podsToDelete("a")), []*corev1.Pod{updated("a")}, []string{"CreatePod at web-b"},
		},
		"once a surge pod took their place": {
			cloneSet(1, surgeOf("0", "1"), podsToDelete("a")),
			[]*corev1.Pod{updated("a"), updated("s")},
			[]string{"DeleteSpecified a"},
		},
		"and come back at the stable revision, if the partition keeps them": {
			cloneSet(2, surgeOf("0", "1"), partitionOf(2), podsToDelete("a")),
			[]*corev1.Pod{old("a"), old("b")},
			[]string{"CreatePod at web-a"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

func numberedABC(build func(string, ...testpods.Option) *corev1.Pod) []*corev1.Pod {
	return []*corev1.Pod{build("a"), build("b"), build("c")}
}

func TestNamesToBeDeletedAreNotGivenAgain(t *testing.T) {
	first := Compute(inputOf(cloneSet(1)))
	name := first.Actions[0].Name()
	again := Compute(inputOf(cloneSet(1, podsToDelete(name))))
	if len(again.Actions) != 1 || again.Actions[0].Name() == name {
		t.Errorf("got %v, want a pod with another name than %s", again.Actions, name)
	}
}

func TestPodsAreMadeAFewAtATime(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want int
	}{
		"none is there":                      {cloneSet(10, startingOf("3")), nil, 3},
		"a percentage":                       {cloneSet(10, startingOf("25%")), nil, 3},
		"some are on their way":              {cloneSet(10, startingOf("3")), numbered(2, updated, notReady()), 1},
		"as many as may be are on their way": {cloneSet(10, startingOf("3")), numbered(3, updated, notReady()), 0},
		"some are there":                     {cloneSet(10, startingOf("3")), numbered(8, updated), 2},
		"those that are updated do not count": {
			cloneSet(4, startingOf("1")), numbered(3, old, testpods.Drained(testpods.Start())), 1,
		},
		"no limit": {cloneSet(10), nil, 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := count(Compute(inputOf(tt.set, tt.pods...)), CreatePod); got != tt.want {
				t.Errorf("%d pods are made, want %d", got, tt.want)
			}
		})
	}
}

func TestOnDelete(t *testing.T) {
	onDelete := func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType }
	expect(t, Compute(inputOf(cloneSet(3, onDelete), numbered(3, old)...)))
	expect(t, Compute(inputOf(cloneSet(3, onDelete), numbered(2, old)...)), "CreatePod at web-b")
	expect(t, Compute(inputOf(cloneSet(3, onDelete, partitionOf(3)), numbered(2, old)...)), "CreatePod at web-b")
	expect(t, Compute(inputOf(cloneSet(3, onDelete, podsToDelete("web-0001")), numbered(3, old)...)), "DeleteSpecified web-0001")
	p := Compute(inputOf(cloneSet(3, onDelete), numbered(3, old)...))
	reason, moving := progressOf(p)
	if reason != appsv1beta1.ReasonOnDelete || moving {
		t.Errorf("got reason %s, moving %v", reason, moving)
	}
}

// Whoever waits for a CloneSet has to wait for the pods that are to be deleted, and for their successors.
func TestSpecifiedPodsAreToBeWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		set    *appsv1beta1.CloneSet
		pods   []*corev1.Pod
		reason string
		moving bool
	}{
		"while one is deleted":        {cloneSet(2, podsToDelete("web-0000")), numbered(2, updated), appsv1beta1.ReasonUpdating, true},
		"while others wait":           {cloneSet(2, podsToDelete("b")), []*corev1.Pod{updated("a", notReady()), updated("b")}, appsv1beta1.ReasonUpdating, true},
		"while the rollout is paused": {cloneSet(2, paused, podsToDelete("web-0000")), numbered(2, old), appsv1beta1.ReasonPaused, true},
		"when they are gone":          {cloneSet(2, podsToDelete("c")), numbered(2, updated), appsv1beta1.ReasonComplete, false},
	} {
		t.Run(name, func(t *testing.T) {
			if reason, moving := progressOf(Compute(inputOf(tt.set, tt.pods...))); reason != tt.reason || moving != tt.moving {
				t.Errorf("got %s, moving %t, want %s, %t", reason, moving, tt.reason, tt.moving)
			}
		})
	}
}
