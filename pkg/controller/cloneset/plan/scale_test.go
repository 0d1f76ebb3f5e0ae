package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func ended(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed }

func terminating(pod *corev1.Pod) { pod.DeletionTimestamp = new(metav1.NewTime(now())) }

func unscheduled(pod *corev1.Pod) {
	pod.Spec.NodeName = ""
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
}

func TestScaleOut(t *testing.T) {
	const atA, atB = "CreatePod at web-a", "CreatePod at web-b"
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"from nothing":                       {cloneSet(2), nil, []string{atB, atB}},
		"one is missing":                     {cloneSet(2), []*corev1.Pod{updated("web-1")}, []string{atB}},
		"a terminating pod is replaced":      {cloneSet(1), []*corev1.Pod{updated("web-1", terminating)}, []string{atB}},
		"a pod that ended is replaced":       {cloneSet(1), []*corev1.Pod{updated("web-1", ended)}, []string{atB}},
		"the partition's share at web-a":     {cloneSet(3, partitionOf(2)), []*corev1.Pod{updated("web-1")}, []string{atA, atA}},
		"what the partition lacks comes old": {cloneSet(3, partitionOf(2)), []*corev1.Pod{old("web-1")}, []string{atA, atB}},
		"an old pod too many keeps the new ones new": {
			cloneSet(4, partitionOf(1)), []*corev1.Pod{old("web-1"), updated("web-2"), updated("web-3")}, []string{atB},
		},
		"raising the partition brings none back": {
			cloneSet(2, partitionOf(2)), []*corev1.Pod{updated("web-1"), updated("web-2")}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, text := range deeds(Compute(inputOf(tt.set, tt.pods...))) {
				if text == atA || text == atB {
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("creations (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the template was set back to the stable revision, the partition has nothing to keep.
func TestScaleOutAtTheStableRevision(t *testing.T) {
	in := inputOf(cloneSet(2, partitionOf(1)))
	in.Revisions.Current = in.Revisions.Update
	expect(t, Compute(in), "CreatePod at web-b", "CreatePod at web-b")
}

// One plan is bounded, however many pods are asked for: the passes that follow make the others.
func TestScaleOutIsBounded(t *testing.T) {
	p := Compute(inputOf(cloneSet(2147483647)))
	if got := count(p, CreatePod); got == 0 || got > 1000 {
		t.Errorf("got %d creations in one pass", got)
	}
}

func TestScaleInTakesThePodThatCostsLeast(t *testing.T) {
	pending := func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPending }
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"one without a node": {
			cloneSet(1), []*corev1.Pod{updated("a"), updated("b", unscheduled)}, []string{"ScaleIn b"},
		},
		"one that does not run yet": {
			cloneSet(1), []*corev1.Pod{updated("a", pending, notReady()), updated("b", notReady())}, []string{"ScaleIn a"},
		},
		"one that is not ready": {
			cloneSet(1), []*corev1.Pod{updated("a", notReady()), updated("b")}, []string{"ScaleIn a"},
		},
		"the old one": {
			cloneSet(1), []*corev1.Pod{updated("a"), old("b")}, []string{"ScaleIn b"},
		},
		"the youngest": {
			cloneSet(1),
			[]*corev1.Pod{updated("a"), updated("b", bornAfter(time.Second)), updated("c")},
			[]string{"ScaleIn a", "ScaleIn b"},
		},
		"an old one is spared by the partition": {
			cloneSet(2, partitionOf(1)), []*corev1.Pod{updated("a"), old("b"), updated("c")}, []string{"ScaleIn a"},
		},
		"old ones beyond the partition go": {
			cloneSet(2, partitionOf(1)), []*corev1.Pod{updated("a"), old("b"), old("c")}, []string{"ScaleIn b"},
		},
		"to nothing": {
			cloneSet(0), []*corev1.Pod{updated("a"), old("b")}, []string{"ScaleIn a", "ScaleIn b"},
		},
		"the terminating do not count": {
			cloneSet(1), []*corev1.Pod{updated("a"), updated("b", terminating)}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

// Scaling in takes available pods beyond replicas - maxUnavailable only, and none of the same budget twice.
func TestScaleInKeepsToTheBudget(t *testing.T) {
	pods := append(numbered(3, updated), updated("bad-1", notReady()), updated("bad-2", notReady()))
	p := Compute(inputOf(cloneSet(4), pods...))
	expect(t, p, "ScaleIn bad-1")
	p = Compute(inputOf(cloneSet(3), pods...))
	expect(t, p, "ScaleIn bad-1", "ScaleIn bad-2")
	p = Compute(inputOf(cloneSet(2), pods...))
	expect(t, p, "ScaleIn bad-1", "ScaleIn bad-2", "ScaleIn web-0000")
}

func TestScaleInAndUpdateShareTheBudget(t *testing.T) {
	p := Compute(inputOf(cloneSet(3), numbered(5, old)...))
	if taken := count(p, ScaleIn) + count(p, Drain); taken > 3 {
		t.Errorf("%d available pods of 5 are taken, where 2 must stay:\n%v", taken, deeds(p))
	}
	if got := count(p, ScaleIn); got != 2 {
		t.Errorf("got %d deletions, want 2", got)
	}
}

// What is deleted is still there when the status is written.
func TestPodsToBeDeletedStillCount(t *testing.T) {
	in := inputOf(cloneSet(1), updated("a"), updated("b"))
	p := Compute(in)
	if p.Status.Replicas != 2 || p.Status.UpdatedAvailableReplicas != 2 {
		t.Errorf("got %d replicas, %d of them updated and available; want 2 and 2",
			p.Status.Replicas, p.Status.UpdatedAvailableReplicas)
	}
	wantConditions(t, p, "Available=True/MinimumReplicasAvailable", "Progressing=True/Updating",
		"Reconciling=True/Updating", "Stalled=False/AsSpecified")
	if p.Status.CurrentRevision != revisionA {
		t.Errorf("got the stable revision %s before the pods are as they should be", p.Status.CurrentRevision)
	}
}

func TestDeletionsAreConditionedOnThePod(t *testing.T) {
	p := Compute(inputOf(cloneSet(0), updated("a")))
	if a := p.Actions[0]; a.Verb != VerbDelete || a.Pod.UID != testpods.New("a").UID {
		t.Errorf("got %s of UID %s", a.Verb, a.Pod.UID)
	}
}
