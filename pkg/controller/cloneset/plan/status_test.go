package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// wantConditions fails the test unless the status has these conditions, as "Type=Status/Reason", and no others.
func wantConditions(t *testing.T, p Plan, want ...string) {
	t.Helper()
	var got []string
	for _, c := range p.Status.Conditions {
		got = append(got, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func message(p Plan, kind string) string {
	if c := meta.FindStatusCondition(p.Status.Conditions, kind); c != nil {
		return c.Message
	}
	return ""
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not contain %q", text, part)
	}
}

func TestCounters(t *testing.T) {
	set := cloneSet(9, partitionOf(3), func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 60 })
	readyFor := func(d time.Duration) testpods.Option {
		return testpods.Condition(corev1.PodReady, corev1.ConditionTrue, now().Add(-d))
	}
	pending := func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPending }
	in := inputOf(set,
		old("a"), old("b", readyFor(59*time.Second)), old("c", notReady()),
		updated("d"), updated("e", readyFor(59*time.Second)), updated("f", notReady()), updated("g", notReady(), pending),
		patchedTo(t, "h"), updated("i", terminating), updated("j", ended),
	)
	in.Revisions.CollisionCount = new(int32(2))
	p := Compute(in)
	p.Status.Conditions, p.Status.PodNotes = nil, nil
	want := appsv1beta1.CloneSetStatus{
		ObservedGeneration: 3, Replicas: 8, ReadyReplicas: 4, AvailableReplicas: 2,
		UpdatedReplicas: 3, UpdatedReadyReplicas: 2, UpdatedAvailableReplicas: 1, ExpectedUpdatedReplicas: 6,
		UpdateRevision: revisionB, CurrentRevision: revisionA, CollisionCount: new(int32(2)), LabelSelector: "app=web",
		LastProgressTime: new(metav1.NewTime(now())),
	}
	if diff := cmp.Diff(want, p.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if p.Wake != time.Second {
		t.Errorf("got wake %s, want that of the pods that are available in a second", p.Wake)
	}
}

func TestStableRevisionAdvances(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want string
	}{
		"when all pods are updated and available": {cloneSet(2), numbered(2, updated), revisionB},
		"not before they are available":           {cloneSet(2), []*corev1.Pod{updated("a"), updated("b", notReady())}, revisionA},
		"not before they are all there":           {cloneSet(3), numbered(2, updated), revisionA},
		"not while there is an old one":           {cloneSet(2, partitionOf(1)), []*corev1.Pod{updated("a"), old("b")}, revisionA},
		"at once where there are to be none":      {cloneSet(0), nil, revisionB},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Compute(inputOf(tt.set, tt.pods...)).Status.CurrentRevision; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	noNode := func(pod *corev1.Pod) {
		unscheduled(pod)
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available",
		}}
	}
	in := inputOf(cloneSet(4, withEnv), old("d", notReady(), failing), old("c"), updated("b", noNode), updated("a", failing))
	want := []appsv1beta1.PodNote{
		{Name: "b", Reason: "Unschedulable", Message: "0/3 nodes are available"},
		{Name: "c", Reason: "Recreate", Message: envField + " cannot be changed in place"},
		{Name: "d", Reason: "ErrImagePull", Message: "container web: not found"},
	}
	if diff := cmp.Diff(want, Compute(in).Status.PodNotes); diff != "" {
		t.Errorf("notes, none for an available pod (-want +got):\n%s", diff)
	}
}

func TestNotesAreLimited(t *testing.T) {
	p := Compute(inputOf(cloneSet(30), numbered(30, updated, notReady(), failing)...))
	if got := len(p.Status.PodNotes); got != 10 || p.Status.PodNotes[9].Name != "web-0009" {
		t.Errorf("got %d notes: %v", got, p.Status.PodNotes)
	}
	text := message(p, "Progressing")
	if len(text) > maxMessage || !strings.HasSuffix(text, "...") {
		t.Errorf("got a message of %d bytes: %s", len(text), text)
	}
}

func TestConditions(t *testing.T) {
	const fine, short = "Available=True/MinimumReplicasAvailable", "Available=False/MinimumReplicasUnavailable"
	const still, flowing, moving = "Reconciling=False/AsSpecified", "Stalled=False/AsSpecified", "Reconciling=True/Updating"
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"complete":    {cloneSet(2), numbered(2, updated), []string{fine, "Progressing=True/Complete", still, flowing}},
		"updating":    {cloneSet(2), numbered(2, old), []string{fine, "Progressing=True/Updating", moving, flowing}},
		"scaling out": {cloneSet(2), nil, []string{short, "Progressing=True/Updating", moving, flowing}},
		"one of two that may be out": {
			cloneSet(2),
			[]*corev1.Pod{updated("a"), updated("b", notReady())},
			[]string{fine, "Progressing=True/Updating", moving, flowing},
		},
		"partition reached": {
			cloneSet(2, partitionOf(1)),
			[]*corev1.Pod{updated("a"), old("b")},
			[]string{fine, "Progressing=True/PartitionReached", still, flowing},
		},
		"partition raised after all pods were patched": {
			cloneSet(2, partitionOf(2)),
			[]*corev1.Pod{updated("a"), updated("b", notReady())},
			[]string{fine, "Progressing=True/Updating", moving, flowing},
		},
		"paused": {
			cloneSet(2, paused),
			[]*corev1.Pod{updated("a"), old("b")},
			[]string{fine, "Progressing=Unknown/Paused", still, flowing},
		},
		"paused with nothing to update": {
			cloneSet(2, paused), numbered(2, updated), []string{fine, "Progressing=True/Complete", still, flowing},
		},
		"paused with a pod to be made": {
			cloneSet(2, paused), []*corev1.Pod{updated("a")}, []string{fine, "Progressing=True/Updating", moving, flowing},
		},
		"a failing pod, and no more are to be updated": {
			cloneSet(2, partitionOf(1)),
			[]*corev1.Pod{old("a"), updated("b", notReady(), failing)},
			[]string{fine, "Progressing=True/PodsFailing", "Reconciling=True/PodsFailing", flowing},
		},
		"a failing pod, of one that may fail": {
			cloneSet(2),
			[]*corev1.Pod{old("a"), updated("b", notReady(), failing)},
			[]string{fine, "Progressing=False/PausedByFailures", "Reconciling=True/PausedByFailures", flowing},
		},
		"a failing pod, of two that may fail": {
			cloneSet(3, maxUnavailableOf(2)),
			[]*corev1.Pod{old("a"), old("c"), updated("b", notReady(), failing)},
			[]string{fine, "Progressing=True/PodsFailing", "Reconciling=True/PodsFailing", flowing},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantConditions(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

func TestConditionsNameWhatFails(t *testing.T) {
	p := Compute(inputOf(cloneSet(2, partitionOf(1)), old("a"), updated("b", notReady(), failing)))
	contains(t, message(p, "Progressing"), "b: ErrImagePull: container web: not found")
	contains(t, message(p, "Available"), "1 of 2 pods are available")
}

func TestRefusedCreationIsReported(t *testing.T) {
	in := inputOf(cloneSet(2), updated("a"))
	in.CreateError = "exceeded quota"
	p := Compute(in)
	wantConditions(t, p, "Available=True/MinimumReplicasAvailable", "Progressing=True/CreateFailed",
		"Reconciling=True/CreateFailed", "Stalled=False/AsSpecified")
	contains(t, message(p, "Progressing"), "exceeded quota")
	in.Pods = append(in.Pods, updated("b"))
	wantConditions(t, Compute(in), "Available=True/MinimumReplicasAvailable", "Progressing=True/Complete",
		"Reconciling=False/AsSpecified", "Stalled=False/AsSpecified")
}

func TestConditionsTellSinceWhen(t *testing.T) {
	in := inputOf(cloneSet(1), updated("a"))
	in.Set.Status.Conditions = Compute(in).Status.Conditions
	first := metav1.NewTime(in.Now)
	in.Now, in.Set.Generation = in.Now.Add(time.Hour), 4
	for _, c := range Compute(in).Status.Conditions {
		if !c.LastTransitionTime.Equal(&first) || c.ObservedGeneration != 4 {
			t.Errorf("%s: got %s at generation %d, want %s at 4", c.Type, c.LastTransitionTime, c.ObservedGeneration, first)
		}
	}
	in.Pods = nil
	later := metav1.NewTime(in.Now)
	if c := meta.FindStatusCondition(Compute(in).Status.Conditions, "Reconciling"); !c.LastTransitionTime.Equal(&later) {
		t.Errorf("Reconciling changed at %s, want %s", c.LastTransitionTime, later)
	}
}
