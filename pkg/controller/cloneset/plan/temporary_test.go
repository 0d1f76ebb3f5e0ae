package plan

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// temporary makes a pod one that is deleted in the end.
func temporary(pod *corev1.Pod) { pod.Labels[appsv1beta1.SurgeLabel] = appsv1beta1.SurgeTemporary }

// onlyOnDelete has pods updated as they are deleted, and leaves the other settings.
func onlyOnDelete(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
}

// cheap makes a pod one whose deletion costs less than that of others.
func cheap(pod *corev1.Pod) { pod.Annotations = map[string]string{corev1.PodDeletionCost: "-1"} }

// Where surge pods are the ones that go, it is they that go, and no others.
func TestTemporaryPods(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"of a revision that was given up": {
			cloneSet(2, surgeOf("0", "1"), withClaims), []*corev1.Pod{updated("a"), updated("b"), old("s", temporary)}, []string{"ScaleIn s"},
		},
		"of a revision that was given up, while the last pod restarts": {
			cloneSet(2, surgeOf("0", "1"), withClaims), []*corev1.Pod{updated("a", notReady()), updated("b"), surgePod("s")}, nil,
		},
		"of a revision that was given up, while others are old": {
			cloneSet(2, surgeOf("0", "1"), withClaims),
			[]*corev1.Pod{old("a"), old("b"), podAt("web-gone", "app:0", "s", temporary, testpods.Serving())},
			[]string{"Recreate s"},
		},
		"though another pod is down, costs less and shares a node": {
			cloneSet(2, surgeOf("1", "1"), withClaims),
			[]*corev1.Pod{
				updated("a", onNode("n"), cheap), updated("b", onNode("n")), surgePod("s", onNode("m")), surgePod("t", onNode("n")),
			},
			[]string{"ScaleIn s", "ScaleIn t"},
		},
		"are there until one that was to be deleted is back": {
			cloneSet(1, surgeOf("1", "1"), withClaims, withHooks),
			[]*corev1.Pod{updated("a", state(appsv1beta1.LifecyclePreparingDelete)), surgePod("s")},
			[]string{"SetState a"},
		},
		"are not made while there are pods too many": {
			cloneSet(2, surgeOf("0", "1"), withClaims), numbered(3, old), []string{"Drain web-0000"},
		},
		"follow the template where they are down, since they hold up the pods that are missing": {
			cloneSet(2, surgeOf("0", "1"), withClaims, func(set *appsv1beta1.CloneSet) {
				set.Spec.ScaleStrategy.MaxUnavailable = new(intstr.FromInt32(1))
			}),
			[]*corev1.Pod{updated("a"), old("s", temporary, notReady())},
			[]string{"Drain s"},
		},
		"are fewer towards the end": {
			cloneSet(3, surgeOf("0", "2"), withClaims),
			[]*corev1.Pod{old("a"), updated("b"), updated("c"), surgePod("s"), surgePod("t")},
			[]string{"Drain a", "ScaleIn s"},
		},
		"are no part of what the partition keeps": {
			cloneSet(3, surgeOf("0", "1"), withClaims, partitionOf(2)),
			[]*corev1.Pod{old("a"), updated("b"), updated("c"), old("s", temporary)},
			[]string{"ScaleIn s"},
		},
		"take no place of the pods that the partition lets be updated": {
			cloneSet(3, surgeOf("1", "1"), withClaims, partitionOf(2)),
			append(numbered(3, old), podAt("web-c", "app:0", "s", temporary, testpods.Serving())),
			[]string{"Drain web-0000", "Recreate s"},
		},
		"do not take the place of one that is lost": {
			cloneSet(3, surgeOf("0", "1"), withClaims),
			[]*corev1.Pod{updated("a"), updated("b"), surgePod("s")},
			[]string{"CreatePod at web-b"},
		},
		"do so while the update is paused": {
			cloneSet(3, surgeOf("0", "1"), withClaims, paused), []*corev1.Pod{updated("a"), updated("b"), surgePod("s")}, nil,
		},
		"do so for good if there may be none any more": {
			cloneSet(3, surgeOf("1", "0"), withClaims),
			[]*corev1.Pod{updated("a"), updated("b"), surgePod("s")},
			[]string{"Relabel s"},
		},
		"do so for good with OnDelete": {
			cloneSet(3, onlyOnDelete, surgeOf("1", "1"), withClaims),
			[]*corev1.Pod{updated("a"), updated("b"), surgePod("s"), surgePod("t")},
			[]string{"Relabel t", "ScaleIn s"},
		},
		"stay where the policy has surge pods stay now": {
			cloneSet(2, surgeOf("0", "1")), []*corev1.Pod{old("a"), old("b"), surgePod("s")}, []string{"Drain a", "Relabel s"},
		},
		"that the user wants deleted are made anew": {
			cloneSet(2, surgeOf("0", "2"), withClaims),
			[]*corev1.Pod{old("a"), old("b"), surgePod("s", specified)},
			[]string{"CreatePod at web-b", "DeleteSpecified s"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(inputOf(tt.set, tt.pods...))
			p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return a.Claim != nil })
			expect(t, p, tt.want...)
		})
	}
}

// Whatever templates come in between, and whatever is lost: the pods that were made for the update are the ones that go.
func TestTemporaryPodsGoInTheEnd(t *testing.T) {
	kinds := map[string]edit{"with claims": withClaims, "InPlaceOnly": policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)}
	for name, kind := range kinds {
		for surge := range 3 {
			for at := range 24 {
				t.Run(fmt.Sprintf("%s, surge %d, step %d", name, surge+1, at), func(t *testing.T) {
					set := cloneSet(3, surgeOf("0", fmt.Sprint(surge+1)), kind, func(set *appsv1beta1.CloneSet) {
						set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32)
					})
					f := newFleet(t, set, old("a", onNode("n1")), old("b", onNode("n1")), old("c", onNode("n2")))
					f.runAnd(at, func() { f.newer("web-c", "app:c") })
					f.expectPods("web-c", "a", "b", "c")
					f.newer(revisionB, "app:b")
					f.runAnd(at, func() { delete(f.pods, "a") })
					f.expectPods(revisionB, "b", "c", "")
					f.newer("web-c", "app:c")
					f.run()
					f.expectPods("web-c", "b", "c", "")
				})
			}
		}
	}
}

// runAnd has something happen at a step, or in the end if that comes before, and plays until nothing is left to be done.
func (f *fleet) runAnd(at int, what func()) {
	happened := false
	f.meddle = func(step int) {
		if step == at {
			what()
			happened = true
		}
	}
	f.run()
	f.meddle = nil
	if !happened {
		what()
		f.run()
	}
}

// newer has the template change once more.
func (f *fleet) newer(revision, image string) {
	f.in.Revisions.Current.Name = f.in.Set.Status.CurrentRevision
	f.in.Set.Spec.Template = *templateOf(image)
	f.in.Revisions.Update = Revision{Name: revision, Template: templateOf(image)}
	f.in.Revisions.Templates[revision] = f.in.Revisions.Update.Template
}

// expectPods fails the test unless these pods, and one of any name for each empty one, are at a revision, and none of them
// is to go.
func (f *fleet) expectPods(revision string, want ...string) {
	f.t.Helper()
	got := []string{}
	for name, pod := range f.pods {
		if !slices.Contains(want, name) {
			name = ""
		}
		got = append(got, name)
		if pod.Labels[appsv1beta1.RevisionLabel] != revision || pod.Labels[appsv1beta1.SurgeLabel] != "" {
			f.t.Errorf("%s has the labels %v", pod.Name, pod.Labels)
		}
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		f.t.Errorf("left are %q, want %q", got, want)
	}
}
