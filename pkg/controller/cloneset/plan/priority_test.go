package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func onNode(node string) testpods.Option {
	return func(pod *corev1.Pod) { pod.Spec.NodeName = node }
}

func inZone(zone string) testpods.Option { return testpods.Label(corev1.LabelTopologyZone, zone) }

// updateOrder returns the names of the old pods in the order in which they are updated.
func updateOrder(set *appsv1beta1.CloneSet, pods ...*corev1.Pod) string {
	in := inputOf(set, pods...)
	p := newPlanner(&in)
	p.orderUpdates()
	return namesOf(p.view.old)
}

func namesOf(members []*member) string {
	var all []string
	for _, m := range members {
		all = append(all, m.pod.Name)
	}
	return strings.Join(all, " ")
}

func withPriority(strategy appsv1beta1.PriorityStrategy) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.PriorityStrategy = &strategy }
}

func weights(terms ...appsv1beta1.WeightPriorityTerm) edit {
	return withPriority(appsv1beta1.PriorityStrategy{WeightPriority: terms})
}

func weight1(weight int32, key, value string) appsv1beta1.WeightPriorityTerm {
	return appsv1beta1.WeightPriorityTerm{
		Weight: weight, MatchSelector: metav1.LabelSelector{MatchLabels: map[string]string{key: value}},
	}
}

func orders(keys ...string) edit {
	var terms []appsv1beta1.OrderPriorityTerm
	for _, key := range keys {
		terms = append(terms, appsv1beta1.OrderPriorityTerm{OrderedKey: key})
	}
	return withPriority(appsv1beta1.PriorityStrategy{OrderPriority: terms})
}

func scatter(terms ...appsv1beta1.ScatterTerm) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.ScatterStrategy = terms }
}

func TestUpdatesFollowPriorities(t *testing.T) {
	label := testpods.Label
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want string
	}{
		"weights are added": {
			cloneSet(4, weights(weight1(50, "canary", "yes"), weight1(60, "zone", "x"), weight1(20, "rack", "1"))),
			[]*corev1.Pod{
				old("a"), old("b", label("canary", "yes")), old("c", label("zone", "x")),
				old("d", label("canary", "yes"), label("rack", "1")),
			},
			"d c b a",
		},
		"and go before what serves nobody": {
			cloneSet(2, weights(weight1(1, "canary", "yes"))),
			[]*corev1.Pod{old("a", notReady()), old("b", label("canary", "yes"))},
			"b a",
		},
		"but not before what was begun": {
			cloneSet(2, weights(weight1(1, "canary", "yes"))),
			[]*corev1.Pod{old("a", testpods.Drained(testpods.Start())), old("b", label("canary", "yes"))},
			"a b",
		},
		"greater numbers first, and pods without the key last": {
			cloneSet(5, orders("rank")),
			[]*corev1.Pod{
				old("a"), old("b", label("rank", "web-2")), old("c", label("rank", "10")), old("d", label("rank", "none")),
				old("e", label("rank", "99999999999999999999999")),
			},
			"e c b d a",
		},
		"the first key decides": {
			cloneSet(3, orders("first", "second")),
			[]*corev1.Pod{
				old("a", label("second", "9")), old("b", label("first", "1"), label("second", "100")), old("c", label("first", "2")),
			},
			"c b a",
		},
		"all of one kind": {
			cloneSet(2, scatter(appsv1beta1.ScatterTerm{Key: "db", Value: "main"})),
			[]*corev1.Pod{old("a", label("db", "main")), old("b", label("db", "main"))},
			"a b",
		},
		"none of the kind": {
			cloneSet(2, scatter(appsv1beta1.ScatterTerm{Key: "db", Value: ""})), []*corev1.Pod{old("a"), old("b")}, "a b",
		},
		"two of one node are not neighbours": {
			cloneSet(4), []*corev1.Pod{
				old("a", onNode("n1")), old("b", onNode("n1")), old("c", onNode("n2")), old("d", onNode("n2")),
			}, "a c b d",
		},
		"nor two of one zone": {
			cloneSet(4), []*corev1.Pod{
				old("a", onNode("n1"), inZone("x")), old("b", onNode("n2"), inZone("x")),
				old("c", onNode("n3"), inZone("y")), old("d", onNode("n4"), inZone("y")),
			}, "a c b d",
		},
		"a node where a pod is down comes last": {
			cloneSet(3), []*corev1.Pod{
				old("a", onNode("n1")), old("b", onNode("n2")), updated("c", onNode("n1"), notReady()),
			}, "b a",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, updateOrder(tt.set, tt.pods...)); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			reversed := append([]*corev1.Pod{}, tt.pods...)
			for i := range len(reversed) / 2 {
				reversed[i], reversed[len(reversed)-1-i] = reversed[len(reversed)-1-i], reversed[i]
			}
			if got := updateOrder(tt.set, reversed...); got != tt.want {
				t.Errorf("got %s in another order of the input, want %s", got, tt.want)
			}
		})
	}
}

func TestDeletionsFollowCostAndCrowding(t *testing.T) {
	cost := func(value string) testpods.Option {
		return func(pod *corev1.Pod) { pod.Annotations = map[string]string{corev1.PodDeletionCost: value} }
	}
	tests := map[string]struct {
		pods []*corev1.Pod
		want string
	}{
		"what costs less goes first": {
			[]*corev1.Pod{updated("a", cost("10")), updated("b", cost("-5")), updated("c"), updated("d", cost("nonsense"))}, "b c d a",
		},
		"what is not ready goes before what costs less": {
			[]*corev1.Pod{updated("a", cost("-10")), updated("b", notReady(), cost("100"))}, "b a",
		},
		"old ones go before what costs less": {
			[]*corev1.Pod{updated("a", cost("-10")), old("b", cost("100"))}, "b a",
		},
		"crowded nodes go first": {
			[]*corev1.Pod{
				updated("a", onNode("n1")), updated("b", onNode("n2")), updated("c", onNode("n2")), updated("d", onNode("n2")),
			}, "b c a d",
		},
		"youngest first": {[]*corev1.Pod{updated("a"), updated("b", bornAfter(1))}, "b a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(1), tt.pods...)
			p := newPlanner(&in)
			if got := namesOf(p.inDeletionOrder(slices.Collect(p.all()))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
