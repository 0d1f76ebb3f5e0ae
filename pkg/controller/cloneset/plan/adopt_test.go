package plan

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// withOrphansOf adds pods without an owner to what is observed.
func withOrphansOf(in Input, orphans ...*corev1.Pod) Input {
	in.Orphans = orphans
	return in
}

func TestAdoption(t *testing.T) {
	tests := map[string]struct {
		in   Input
		want []string
	}{
		"instead of creating": {
			withOrphansOf(inputOf(cloneSet(2)), updated("a"), updated("b")), []string{"Adopt a", "Adopt b"},
		},
		"what is missing then is created": {
			withOrphansOf(inputOf(cloneSet(3)), updated("a"), old("b")), []string{"Adopt a", "Adopt b", "CreatePod at web-b"},
		},
		"nothing is deleted before": {
			withOrphansOf(inputOf(cloneSet(1), updated("a")), updated("b")), []string{"Adopt b"},
		},
		"nothing surges instead": {
			withOrphansOf(inputOf(cloneSet(3, surgeOf("0", "1")), old("a"), old("c")), old("b"), old("d")), []string{"Adopt b", "Adopt d"},
		},
		"one of no known revision": {
			withOrphansOf(inputOf(cloneSet(1)), podAt("", "app:x", "a", testpods.Serving())), []string{"Adopt a"},
		},
		"one that waits to be served": {
			withOrphansOf(inputOf(cloneSet(1)), old("a", testpods.Drained(testpods.Start()))), []string{"Adopt a"},
		},
		"while paused": {
			withOrphansOf(inputOf(cloneSet(1, paused)), old("a")), []string{"Adopt a"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(tt.in), tt.want...) })
	}
}

// Whoever was quicker keeps the pod, and a pod whose labels have changed meanwhile is nobody's.
func TestAdoptionIsConditioned(t *testing.T) {
	p := Compute(withOrphansOf(inputOf(cloneSet(1)), updated("a")))
	patch := string(p.Actions[0].Patch)
	for _, part := range []string{`"uid":"uid-a"`, `"resourceVersion":"100"`, `"controller":true`, `"uid":"uid-web"`} {
		if !strings.Contains(patch, part) {
			t.Errorf("got patch %s, want %s in it", patch, part)
		}
	}
	if !p.Actions[0].Notable() {
		t.Error("want users to hear of it")
	}
}

// A name that is in use by a pod that is being adopted is not given to another one.
func TestNamesOfOrphansAreTaken(t *testing.T) {
	first := Compute(inputOf(cloneSet(1))).Actions[0].Pod.Name
	p := Compute(withOrphansOf(inputOf(cloneSet(2)), updated(first)))
	for _, a := range p.Actions {
		if a.Kind == CreatePod && a.Pod.Name == first {
			t.Errorf("the name %s is given again", first)
		}
	}
}

// The claims that wait for the pod of an id are not given away, nor deleted, while that pod is being adopted.
func TestClaimsOfOrphansAreLeftAlone(t *testing.T) {
	for name, edits := range map[string][]edit{"kept": {reusing, withTemplates("data")}, "not kept": {withTemplates("data")}} {
		t.Run(name, func(t *testing.T) {
			in := withOrphansOf(inputOf(cloneSet(1, edits...)), updated("web-aaaaa", uses("data")))
			expect(t, Compute(in.having(claimOf("data-web-aaaaa", "uid-web"))), "Adopt web-aaaaa")
		})
	}
}

// unowned takes the owners off revisions.
func unowned(history []*appsv1.ControllerRevision) []*appsv1.ControllerRevision {
	for _, revision := range history {
		revision.OwnerReferences = nil
	}
	return history
}

func TestRevisionsAreAdopted(t *testing.T) {
	set := cloneSet(1, func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32(0)) })
	in := inputOf(set, updated("a"))
	in.Revisions.History = append(unowned(revisionsNamed(revisionA, "web-0")), revisionsNamed(revisionB)...)
	expect(t, Compute(in), "AdoptRevision "+revisionA, "AdoptRevision web-0")
}

// What somebody has deleted is made again where it is needed: by a pod, as the stable revision, or as that of the template.
func TestLostRevisionsAreMadeAgain(t *testing.T) {
	tests := map[string]struct {
		pods []*corev1.Pod
		want []string
	}{
		"needed":       {[]*corev1.Pod{updated("a"), podAt("web-0", "app:0", "b", testpods.Serving())}, []string{"RestoreRevision web-0"}},
		"not needed":   {[]*corev1.Pod{updated("a"), updated("b")}, nil},
		"of an orphan": {nil, []string{"Adopt c", "CreatePod at web-b", "RestoreRevision web-0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(2, paused), tt.pods...)
			if tt.pods == nil {
				in.Orphans = []*corev1.Pod{podAt("web-0", "app:0", "c", testpods.Serving())}
			}
			in.Revisions.Lost = revisionsNamed("web-0")
			expect(t, Compute(in), tt.want...)
		})
	}
	in := inputOf(cloneSet(1), updated("a"))
	in.Revisions.Lost = revisionsNamed(revisionA, revisionB)
	expect(t, Compute(in), "RestoreRevision "+revisionA, "RestoreRevision "+revisionB)
}

// A CloneSet that was made again in the middle of a gray release keeps what the partition keeps.
func TestStableRevisionComesWithThePods(t *testing.T) {
	in := inputOf(cloneSet(3, partitionOf(2)), updated("a"))
	in.Revisions.Current = in.Revisions.Update
	in.Orphans = []*corev1.Pod{old("b"), podAt("web-unknown", "app:x", "c", testpods.Serving())}
	p := Compute(in)
	expect(t, p, "Adopt b", "Adopt c")
	if p.Status.CurrentRevision != revisionA {
		t.Errorf("got stable revision %s, want %s", p.Status.CurrentRevision, revisionA)
	}
	in.Set.Status.CurrentRevision = revisionB // It is known: there is nothing to keep.
	if got := Compute(in).Status.CurrentRevision; got != revisionB {
		t.Errorf("got stable revision %s, want %s", got, revisionB)
	}
}
