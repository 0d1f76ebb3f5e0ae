package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// atOnce leaves no time between a drain and the patch.
func atOnce(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32)
}

func term(key, value string) appsv1beta1.ScatterTerm {
	return appsv1beta1.ScatterTerm{Key: key, Value: value}
}

// A rollout takes many passes, and each of them sees other pods left: what it is to be spread over is the whole of it.
func TestPodsAreSpreadOverTheWholeRollout(t *testing.T) {
	leader, green, canary := testpods.Label("role", "leader"), testpods.Label("tier", "green"), testpods.Label("canary", "yes")
	tests := map[string]struct {
		set  []edit
		pods []*corev1.Pod
		want string
	}{
		"every other one": {
			[]edit{scatter(term("role", "leader"))},
			[]*corev1.Pod{old("a", leader), old("b", leader), old("c", leader), old("d"), old("e"), old("f")},
			"a d b e c f",
		},
		"a few of many": {
			[]edit{scatter(term("role", "leader"))},
			[]*corev1.Pod{old("a", leader), old("b", leader), old("c"), old("d"), old("e"), old("f", testpods.Label("role", "other"))},
			"c a d e b f",
		},
		"most of them": {
			[]edit{scatter(term("role", "leader"))},
			[]*corev1.Pod{old("a"), old("b", leader), old("c", leader), old("d", leader), old("e", leader), old("f")},
			"b a c d f e",
		},
		"what is updated already counts": {
			[]edit{scatter(term("role", "leader"))},
			[]*corev1.Pod{updated("a", leader), updated("b", leader), old("c", leader), old("d"), old("e"), old("f")},
			"d e c f",
		},
		"two terms, that no pod matches both of": {
			[]edit{scatter(term("role", "leader"), term("tier", "green"))},
			[]*corev1.Pod{old("a", leader), old("b", leader), old("c", green), old("d", green), old("e"), old("f")},
			"a c e b d f",
		},
		"two terms, that some pods match both of": {
			[]edit{scatter(term("role", "leader"), term("tier", "green"))},
			[]*corev1.Pod{old("a", leader, green), old("b", leader, green), old("c", leader), old("d", leader), old("e"), old("f")},
			"a c e b d f",
		},
		"the priorities decide first": {
			[]edit{scatter(term("role", "leader")), weights(weight1(50, "canary", "yes"))},
			[]*corev1.Pod{old("a", leader), old("b", leader), old("c"), old("d"), old("x", canary), old("y", canary, leader)},
			"y x a c b d",
		},
		"and what serves nobody goes before": {
			[]edit{scatter(term("role", "leader"))},
			[]*corev1.Pod{old("a", leader), old("b", leader), old("c"), old("d", notReady())},
			"d a b c",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, cloneSet(len(tt.pods), append(tt.set, atOnce)...), tt.pods...)
			f.run()
			if got := strings.Join(f.updates, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// After each pass the share of the leaders among the pods that were updated is their share among all, however many are
// updated in one pass; and no two are neighbours as long as there are others enough.
func TestSharesAreKeptInHoweverManyPasses(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		count := rapid.IntRange(1, 12).Draw(r, "pods")
		set := cloneSet(count, atOnce, scatter(term("role", "leader")), maxUnavailableOf(rapid.IntRange(1, 4).Draw(r, "maxUnavailable")))
		leads, leaders := map[string]bool{}, 0
		var pods []*corev1.Pod
		for i := range count {
			pod := old(fmt.Sprintf("web-%02d", i))
			if leads[pod.Name] = rapid.Bool().Draw(r, "leader"); leads[pod.Name] {
				pod.Labels["role"] = "leader"
				leaders++
			}
			pods = append(pods, pod)
		}
		f := newFleet(t, set, pods...)
		f.after = func() {
			updated := 0
			for _, name := range f.updates {
				if leads[name] {
					updated++
				}
			}
			if off := updated*count - len(f.updates)*leaders; 2*max(off, -off) > count {
				r.Fatalf("%d of the first %d updates are of leaders, who are %d of %d: %v", updated, len(f.updates), leaders, count, f.updates)
			}
		}
		f.run()
		slices.Sort(f.updates)
		if len(slices.Compact(f.updates)) != count {
			r.Fatalf("updated were %v", f.updates)
		}
	})
}
