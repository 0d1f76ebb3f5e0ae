package plan

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func TestUpdateOrder(t *testing.T) {
	otherRevision := testpods.Revision("web-given-up")
	tests := map[string]struct {
		pods []*corev1.Pod
		want string
	}{
		"one that was begun comes first": {
			[]*corev1.Pod{old("a"), old("b", notReady()), old("c", testpods.Drained(testpods.Start()))}, "c",
		},
		"then one that serves nobody": {[]*corev1.Pod{old("a"), old("b", notReady())}, "b"},
		"then one at a revision that was given up": {
			[]*corev1.Pod{old("a", bornAfter(time.Minute)), old("b", otherRevision)}, "b",
		},
		"then the youngest":    {[]*corev1.Pod{old("a"), old("b", bornAfter(time.Second)), old("c")}, "b"},
		"and in the end names": {[]*corev1.Pod{old("b"), old("a"), old("c")}, "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(len(tt.pods)), tt.pods...)
			in.Revisions.Templates["web-given-up"] = in.Revisions.Templates[revisionA]
			p := Compute(in)
			if len(p.Actions) != 1 || p.Actions[0].Name() != tt.want {
				t.Errorf("got %v, want an action on %s only", deeds(p), tt.want)
			}
		})
	}
}

// anyPod draws a pod as it may be met in a rollout.
func anyPod(t *rapid.T, name string) *corev1.Pod {
	build := rapid.SampledFrom([]func(string, ...testpods.Option) *corev1.Pod{old, updated, fresh}).Draw(t, "revision")
	options := []testpods.Option{bornAfter(time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * time.Second)}
	for _, option := range []testpods.Option{
		notReady(), testpods.Drained(testpods.Start()), unscheduled, terminating, ended, withoutGate, unlabelled, stranger, failing,
	} {
		if rapid.IntRange(0, 5).Draw(t, "state") == 0 {
			options = append(options, option)
		}
	}
	return build(name, options...)
}

// fresh returns an old pod whose gate was never set.
func fresh(name string, options ...testpods.Option) *corev1.Pod {
	return podAt(revisionA, "app:a", name, options...)
}

func withoutGate(pod *corev1.Pod) { pod.Spec.ReadinessGates = nil }

func unlabelled(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) }

func stranger(pod *corev1.Pod) { pod.Labels["app"] = "other" }

func failing(pod *corev1.Pod) {
	if len(pod.Status.ContainerStatuses) > 0 {
		testpods.Wait(pod, "web", "ErrImagePull", "not found")
	}
}

// anyInput draws a CloneSet in the middle of something.
func anyInput(t *rapid.T) Input {
	set := cloneSet(
		rapid.IntRange(0, 8).Draw(t, "replicas"),
		maxUnavailableOf(rapid.IntRange(1, 4).Draw(t, "maxUnavailable")),
		partitionOf(rapid.IntRange(0, 8).Draw(t, "partition")),
		policyOf(rapid.SampledFrom([]appsv1beta1.PodUpdatePolicy{
			"", appsv1beta1.ReCreatePodUpdatePolicy, appsv1beta1.InPlaceIfPossiblePodUpdatePolicy,
			appsv1beta1.InPlaceOnlyPodUpdatePolicy,
		}).Draw(t, "policy")),
		rapid.SampledFrom([]edit{func(*appsv1beta1.CloneSet) {}, paused, withEnv, setBack}).Draw(t, "spec"),
	)
	var pods []*corev1.Pod
	for i := range rapid.IntRange(0, 8).Draw(t, "pods") {
		pods = append(pods, anyPod(t, fmt.Sprintf("web-%d", i)))
	}
	in := inputOf(set, pods...)
	in.Revisions.History = revisionsNamed(revisionA, "web-idle", revisionB)
	return in
}

// setBack leaves the template as it was, but for a label.
func setBack(set *appsv1beta1.CloneSet) {
	set.Spec.Template = *templateOf("app:a")
	set.Spec.Template.Labels["extra"] = "yes"
}

// The store that pods come from has no order: neither may what is done, reported or said depend on one.
func TestPlanIsTheSameInAnyOrderOfPods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		want := Compute(in)
		in.Pods = rapid.Permutation(in.Pods).Draw(t, "order")
		if diff := cmp.Diff(want, Compute(in)); diff != "" {
			t.Fatalf("plan of the same pods in another order:\n%s", diff)
		}
	})
}

func TestComputeChangesNothingOfItsInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		set, pods := in.Set.DeepCopy(), slices.Clone(in.Pods)
		for i := range in.Pods {
			pods[i] = in.Pods[i].DeepCopy()
		}
		Compute(in)
		if diff := cmp.Diff(set, in.Set); diff != "" {
			t.Fatalf("CloneSet:\n%s", diff)
		}
		if diff := cmp.Diff(pods, in.Pods); diff != "" {
			t.Fatalf("pods:\n%s", diff)
		}
	})
}

// What holds of every plan: no budget is spent twice, no pod is taken from the partition, and no write makes another one
// of the same plan fail.
func TestEveryPlanKeepsToItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		p, l := Compute(in), limitsOf(in.Set)
		before := look(&in, l, mustSelector(in.Set), &failures{})
		lost, moved := effects(before, p)
		if budget := max(before.available-(l.replicas-l.maxUnavailable), 0); lost > budget {
			t.Fatalf("%d available pods are taken out of service, %d may be: %v", lost, budget, deeds(p))
		}
		if left := len(before.old) - moved; left < min(l.partition, len(before.old)) {
			t.Fatalf("%d of %d old pods are left, the partition is %d: %v", left, len(before.old), l.partition, deeds(p))
		}
		created := count(p, CreatePod)
		if surplus := len(before.old) + len(before.updated) + created - l.replicas; created > 0 && surplus > 0 {
			t.Fatalf("%d pods are made too many", surplus)
		}
		if name := conflicting(p); name != "" {
			t.Fatalf("a patch of pod %s makes another one conflict: %v", name, deeds(p))
		}
	})
}

// effects returns how many available pods a plan takes out of service, and how many pods it takes off an old revision.
func effects(before *view, p Plan) (lost, moved int) {
	for _, a := range p.Actions {
		if a.Pod == nil || a.Kind == CreatePod {
			continue
		}
		m := before.find(a.Pod.Name)
		deletes := a.Kind == ScaleIn || a.Kind == Recreate
		if (deletes || a.Kind == Drain) && m.available {
			lost++
		}
		if (deletes || a.Kind == UpdateInPlace) && m.revision != revisionB {
			moved++
		}
	}
	return lost, moved
}

// conflicting returns a pod that a plan patches twice, once at a resourceVersion that the other patch changes.
func conflicting(p Plan) string {
	writes, conditioned := map[string]int{}, map[string]bool{}
	for _, a := range p.Actions {
		if a.Pod != nil {
			writes[a.Pod.Name]++
			conditioned[a.Pod.Name] = conditioned[a.Pod.Name] || bytes.Contains(a.Patch, []byte("resourceVersion"))
		}
	}
	for name, n := range writes {
		if n > 1 && conditioned[name] {
			return name
		}
	}
	return ""
}

// find returns a pod that is neither terminating nor ended.
func (v *view) find(name string) *member {
	for _, list := range [][]*member{v.old, v.updated} {
		for _, m := range list {
			if m.pod.Name == name {
				return m
			}
		}
	}
	return nil
}

func TestActionsTellWhatTheyDo(t *testing.T) {
	p := Compute(inputOf(cloneSet(1), old("a")))
	if got := p.Actions[0].String(); !strings.HasPrefix(got, "Drain a: ") {
		t.Errorf("got %q", got)
	}
	quiet := map[Kind]bool{Serve: true, DeleteRevision: true, Relabel: true}
	for _, kind := range []Kind{CreatePod, ScaleIn, Recreate, Serve, Drain, Restore, UpdateInPlace, Confirm, Relabel, Release, DeleteRevision} {
		if a := (Action{Kind: kind}); a.Notable() == quiet[kind] {
			t.Errorf("%s: got notable %t", kind, a.Notable())
		}
	}
}
