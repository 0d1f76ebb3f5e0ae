package plan

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func withClaims(set *appsv1beta1.CloneSet) {
	claim := corev1.PersistentVolumeClaim{}
	mendClaim(&claim, 0)
	set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claim}
}

// metadataOnly makes the update one of labels alone.
func metadataOnly(set *appsv1beta1.CloneSet) {
	set.Spec.Template = *templateOf("app:a")
	set.Spec.Template.Labels["tier"] = "1"
}

// surges marks a pod that was made beyond replicas for web-b, and stays.
func surges(pod *corev1.Pod) { pod.Labels[appsv1beta1.SurgeLabel] = revisionB }

func surgePod(name string, options ...testpods.Option) *corev1.Pod {
	return updated(name, append([]testpods.Option{testpods.Label(appsv1beta1.SurgeLabel, appsv1beta1.SurgeTemporary)}, options...)...)
}

func TestSurge(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"comes up first, and nothing goes down before": {
			cloneSet(3, surgeOf("0", "1")), numbered(3, old), []string{"CreatePod at web-b"},
		},
		"is not ready": {
			cloneSet(3, surgeOf("0", "1")), with(numbered(3, old), updated("s", notReady())), nil,
		},
		"is ready": {
			cloneSet(3, surgeOf("0", "1")), with(numbered(3, old), updated("s")), []string{"Drain web-0000"},
		},
		"maxUnavailable comes on top": {
			cloneSet(4, surgeOf("1", "1")), with(numbered(4, old), updated("s")), []string{"Drain web-0000", "Drain web-0001"},
		},
		"as many old pods are deleted in the end": {
			cloneSet(3, surgeOf("0", "1")),
			[]*corev1.Pod{old("a"), updated("b"), updated("c"), updated("s")},
			[]string{"ScaleIn a"},
		},
		"they are not deleted before the others are back": {
			cloneSet(3, surgeOf("0", "1")), []*corev1.Pod{old("a"), updated("b", notReady()), updated("c"), updated("s")}, nil,
		},
		"stays": {cloneSet(3, surgeOf("0", "1")), numbered(3, updated), nil},
		"no more than there are pods to be updated": {
			cloneSet(3, surgeOf("0", "3"), partitionOf(2)), numbered(3, old), []string{"CreatePod at web-b"},
		},
		"the partition keeps its pods": {
			cloneSet(3, surgeOf("0", "3"), partitionOf(2)), with(numbered(3, old), updated("s")), []string{"ScaleIn web-0000"},
		},
		"the partition is reached": {
			cloneSet(3, surgeOf("0", "3"), partitionOf(2)), with(numbered(2, old), updated("s")), nil,
		},
		"of a paused update": {cloneSet(3, surgeOf("0", "1"), paused), numbered(3, old), nil},
		"made before the pause": {
			cloneSet(3, surgeOf("0", "1"), paused), with(numbered(3, old), updated("s", surges)), nil,
		},
		"made before the pause, while replicas is lowered": {
			cloneSet(2, surgeOf("0", "1"), paused), with(numbered(3, old), updated("s", surges)), []string{"ScaleIn web-0000"},
		},
		"made for a template that has come again": {
			cloneSet(2, surgeOf("0", "1")), []*corev1.Pod{updated("a"), old("s", surges)}, []string{"CreatePod at web-b"},
		},
		"for labels alone": {
			cloneSet(2, surgeOf("0", "1"), metadataOnly), numbered(2, old), []string{"UpdateInPlace web-0000", "UpdateInPlace web-0001"},
		},
		"of pods that are replaced": {
			cloneSet(2, surgeOf("0", "1"), withEnv), with(numbered(2, old), updated("s")), []string{"Recreate web-0000"},
		},
		"of pods that are replaced, one is gone": {
			cloneSet(2, surgeOf("0", "1"), withEnv), []*corev1.Pod{old("a"), updated("s")}, []string{"CreatePod at web-b"},
		},
		"of pods with claims: all old ones are updated": {
			cloneSet(1, surgeOf("0", "1"), withClaims), []*corev1.Pod{old("a"), surgePod("s")}, []string{"Drain a"},
		},
		"of pods with claims: it goes in the end": {
			cloneSet(2, surgeOf("0", "1"), withClaims),
			[]*corev1.Pod{updated("a", bornAfter(1)), updated("b"), surgePod("s")},
			[]string{"ScaleIn s"},
		},
		"of pods with claims: it does not go before the last one is back": {
			cloneSet(2, surgeOf("0", "1"), withClaims), []*corev1.Pod{updated("a", notReady()), updated("b"), surgePod("s")}, nil,
		},
		"of pods with claims: another goes when replicas is lowered": {
			cloneSet(2, surgeOf("0", "1"), withClaims),
			[]*corev1.Pod{old("a"), updated("b"), updated("c"), surgePod("s", notReady())},
			[]string{"ScaleIn a"},
		},
		"of pods with claims: none comes up for one that fails later": {
			cloneSet(2, surgeOf("0", "1"), withClaims), []*corev1.Pod{updated("a", notReady()), updated("b")}, nil,
		},
		"where no pod is to be replaced: it goes in the end": {
			cloneSet(1, surgeOf("0", "1"), policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)),
			[]*corev1.Pod{updated("a", bornAfter(1)), surgePod("s")},
			[]string{"ScaleIn s"},
		},
		"where no pod can be updated": {
			cloneSet(1, surgeOf("0", "1"), withEnv, policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)), numbered(1, old), nil,
		},
		"that does not run holds up the others": {
			cloneSet(5, surgeOf("1", "1")), with(numbered(4, old), updated("s", notReady()), updated("x", notReady())), nil,
		},
		"while replicas is raised": {
			cloneSet(4, surgeOf("0", "1")), with(numbered(3, old), updated("s")), []string{"CreatePod at web-b"},
		},
		"while replicas is lowered": {
			cloneSet(2, surgeOf("0", "1")), with(numbered(3, old), updated("s")), []string{"Drain web-0001", "ScaleIn web-0000"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...)
		})
	}
}

func with(pods []*corev1.Pod, more ...*corev1.Pod) []*corev1.Pod { return slices.Concat(pods, more) }

func TestSurgePodsWithClaimsAreMarked(t *testing.T) {
	set := cloneSet(1, surgeOf("0", "1"), withClaims)
	p := Compute(inputOf(set, old("a")))
	if len(p.Actions) != 1 || p.Actions[0].Pod.Labels[appsv1beta1.SurgeLabel] != appsv1beta1.SurgeTemporary {
		t.Errorf("got %v, want a pod that tells that it goes in the end", p.Actions)
	}
	// One that takes the place of a pod that was lost is none.
	p = Compute(inputOf(cloneSet(2, surgeOf("0", "1"), withClaims), old("a"), surgePod("s")))
	if len(p.Actions) != 1 || p.Actions[0].Pod.Labels[appsv1beta1.SurgeLabel] != "" {
		t.Errorf("got %v, want a pod that does not surge", p.Actions)
	}
}

// The pods that stay crowd a node, too: it is not the last old pod of each node that is compared.
func TestRetiredPodIsOnTheNodeWithTheMostPods(t *testing.T) {
	p := Compute(inputOf(
		cloneSet(5, surgeOf("0", "1"), partitionOf(1)),
		old("a", onNode("n1")), updated("b", onNode("n1")), updated("c", onNode("n1")),
		old("d", onNode("n2"), bornAfter(time.Second)), updated("e", onNode("n3")), updated("s", onNode("n3")),
	))
	expect(t, p, "ScaleIn a")
}

func TestRetiredPodIsTheOneThatPrioritiesPutFirst(t *testing.T) {
	p := Compute(inputOf(
		cloneSet(3, canaries(), surgeOf("0", "1"), partitionOf(2)),
		old("a"), old("b", testpods.Label("canary", "yes")), old("c", bornAfter(time.Second)), updated("s"),
	))
	expect(t, p, "ScaleIn b")
}
