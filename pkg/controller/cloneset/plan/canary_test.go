package plan

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// canaries puts the pods with the label canary first.
func canaries() edit { return weights(weight1(50, "canary", "yes")) }

func TestPartitionUpdatesThePodsThatComeFirst(t *testing.T) {
	canary := testpods.Label("canary", "yes")
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"the canary": {
			cloneSet(4, canaries(), partitionOf(3)), []*corev1.Pod{old("a", canary), old("b"), old("c"), old("d")}, []string{"Drain a"},
		},
		"it waits while another pod uses up the budget": {
			cloneSet(4, canaries(), partitionOf(3)), []*corev1.Pod{old("a", canary), old("b"), old("c", notReady()), old("d")}, nil,
		},
		"not where the budget allows both": {
			cloneSet(4, canaries(), partitionOf(3), maxUnavailableOf(2)),
			[]*corev1.Pod{old("a", canary), old("b"), old("c", notReady()), old("d")},
			[]string{"Drain a"},
		},
		"nor for a pod that is to be updated, too": {
			cloneSet(4, canaries(), partitionOf(2)),
			[]*corev1.Pod{old("a", canary), old("b"), old("c", notReady()), old("d")},
			[]string{"Drain c"},
		},
		"nor without a partition": {
			cloneSet(4, canaries()), []*corev1.Pod{old("a", canary), old("b"), old("c", notReady()), old("d")}, []string{"Drain c"},
		},
		"a canary that is down costs nothing": {
			cloneSet(4, canaries(), partitionOf(3)),
			[]*corev1.Pod{old("a", canary, notReady()), old("b"), old("c", notReady()), old("d")},
			[]string{"Drain a"},
		},
		"it waits for a slot": {
			cloneSet(4, canaries(), partitionOf(2)),
			[]*corev1.Pod{old("a", canary), updated("b", notReady()), old("c"), old("d", notReady())},
			nil,
		},
		"one that is replaced waits as well": {
			cloneSet(4, canaries(), partitionOf(3), withEnv),
			[]*corev1.Pod{old("a", canary), old("b"), old("c", notReady()), old("d")},
			nil,
		},
		"one that the user wants deleted takes no place": {
			cloneSet(4, canaries(), partitionOf(2), maxUnavailableOf(2), podsToDelete("a")),
			[]*corev1.Pod{old("a", canary), old("b"), old("c"), old("d")},
			[]string{"DeleteSpecified a", "Drain b"},
		},
		"nor does one that cannot be updated in place, and must be": {
			cloneSet(2, canaries(), partitionOf(1), policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)),
			[]*corev1.Pod{old("a", canary, withoutGate), old("b")},
			[]string{"Drain b"},
		},
		"a pod that was begun is brought to its end": {
			cloneSet(4, canaries(), partitionOf(3)),
			[]*corev1.Pod{old("a", canary), drainedOld("b"), old("c"), old("d")},
			[]string{"UpdateInPlace b"},
		},
		// All old pods leave the old revision, updated or not: the one that is down goes at once, or all would wait for it.
		"with surge pods, those that leave are updated as they can be": {
			cloneSet(3, canaries(), surgeOf("0", "1")),
			[]*corev1.Pod{
				old("a", canary), old("b", canary), old("c", notReady()),
				updated("s", testpods.Label(appsv1beta1.SurgeLabel, revisionB)),
			},
			[]string{"Drain c"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

// The pod that is down comes back by itself: the canary is updated then, and no other.
func TestCanaryIsUpdatedWhenTheBudgetIsBack(t *testing.T) {
	f := newFleet(t, cloneSet(4, canaries(), partitionOf(3), atOnce),
		old("a", testpods.Label("canary", "yes")), old("b"), old("c", notReady()), old("d"))
	f.in.Pods = []*corev1.Pod{f.pods["a"], f.pods["b"], f.pods["c"], f.pods["d"]}
	expect(t, Compute(f.in))
	f.kubelets()
	f.run()
	for name, pod := range f.pods {
		if updated := pod.Labels[appsv1beta1.RevisionLabel] == revisionB; updated != (name == "a") {
			t.Errorf("%s is at %s", name, pod.Labels[appsv1beta1.RevisionLabel])
		}
	}
}

// The last endpoint of a Service waits for pods that are on their way back. One that is down and kept by the partition is on
// no way at all.
func TestLastEndpointDoesNotWaitForPodsThatStayDown(t *testing.T) {
	tests := map[string]struct {
		partition int
		want      []string
	}{
		"kept by the partition": {3, []string{"Drain a"}},
		"to be updated, too":    {2, []string{"Drain c"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(4, canaries(), partitionOf(tt.partition), maxUnavailableOf(2)),
				old("a", testpods.Label("canary", "yes")), old("b"), old("c", notReady()), old("d"))
			in.Endpoints = serviceOf("web", "a")
			expect(t, Compute(in), tt.want...)
		})
	}
}
