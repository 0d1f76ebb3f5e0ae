package plan

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// A failed pod, one of two that end the rollout, is not what holds it up while something else does.
func TestRevisionIsNotGivenUpWhileSomethingElseHoldsIt(t *testing.T) {
	needs := func(healthy int32) func(*Budget) { return func(b *Budget) { b.Status.DesiredHealthy = healthy } }
	expecting := func(pods int32) func(*Budget) { return func(b *Budget) { b.Status.ExpectedPods = pods } }
	budgeted := func(b Budget) Input {
		set := cloneSet(5, maxUnavailableOf(2), takeBack("2"))
		in := inHistory(inputOf(set, old("a"), old("b"), old("c"), updated("g"), failed("f")))
		in.Budgets = []Budget{b}
		return in
	}
	ended := func(options ...testpods.Option) *corev1.Pod {
		pod := patched(t, asked(t, "f", reported), inplace.ConfirmPatch)
		for _, option := range options {
			option(pod)
		}
		return pod
	}
	resizing := cloneSet(4, maxUnavailableOf(2), takeBack("2"))
	reuse := cloneSet(3, withTemplates("data"), reusing, maxUnavailableOf(2), takeBack("2"))
	leaving := old("web-ggggg", uses("data"))
	leaving.DeletionTimestamp = new(metav1.NewTime(now()))
	only := cloneSet(3, maxUnavailableOf(2), takeBack("2"), policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	gateless := func(pod *corev1.Pod) { pod.Spec.ReadinessGates = nil }
	tests := map[string]struct {
		in   Input
		want []string
	}{
		"a place that is about to be given back": {
			budgeted(budgetOf("web", 0, needs(3), counting(3), taken("g", 10*time.Second))), []string{"GiveBack web"},
		},
		"a budget that does not count a pod yet that is back": {budgeted(budgetOf("web", 0, needs(3), counting(3))), nil},
		"a budget that was changed":                           {budgeted(budgetOf("web", 1, func(b *Budget) { b.Generation++ })), nil},
		"a budget that others use up":                         {budgeted(budgetOf("web", 0, needs(5), counting(4), expecting(6))), nil},
		"an eviction":                                         {budgeted(budgetOf("web", 0, needs(3), counting(4), evicting("g", time.Second))), nil},
		"a resize that is on its way": {
			inHistory(resizeInput(resizing, small("a"), small("b"), asked(t, "c"), ended(notReady(), failing))), nil,
		},
		"a claim that is in use": {
			inHistory(inputOf(reuse, updated("web-aaaaa", uses("data")), failed("web-fffff", uses("data")), leaving)).having(
				claimOf("data-web-aaaaa", theSet), claimOf("data-web-fffff", theSet), claimOf("data-web-ggggg", theSet)), nil,
		},
		"pods that cannot be updated in place": {inHistory(inputOf(only, old("a", gateless), old("b", gateless), failed("f"))), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(tt.in), tt.want...) })
	}
}

// What is wrong with a pod before an update that restarts nothing is not the revision's doing; nor is it afterwards, once more.
func TestFailureFromBeforeTheUpdateDoesNotCount(t *testing.T) {
	crashing := func(pod *corev1.Pod) {
		status := testpods.Status(pod, "web")
		status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s"}}
		status.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 1, ContainerID: status.ContainerID, FinishedAt: metav1.NewTime(now().Add(-time.Minute)),
		}}
		status.Ready = false
	}
	labelled := cloneSet(3, maxUnavailableOf(2), takeBack("1"))
	labelled.Spec.Template.Spec.Containers[0].Image = "app:a"
	labelled.Spec.Template.Labels = map[string]string{"app": "web", "x": "y"}
	policy := []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
	restarting := inHistory(resizeInput(cloneSet(3, maxUnavailableOf(2), takeBack("1")), small("a"), small("b"),
		small("f", testpods.Drained(testpods.Start()), crashing, func(pod *corev1.Pod) { pod.Spec.Containers[0].ResizePolicy = policy })))
	for _, template := range restarting.Revisions.Templates {
		template.Spec.Containers[0].ResizePolicy = policy
	}
	tests := map[string]struct {
		in    Input
		steps int
	}{
		"memory that restarts what has less": {restarting, 2},
		"labels":                             {inHistory(inputOf(labelled, old("a"), old("b"), old("f", notReady(), crashing))), 1},
		"memory": {
			inHistory(resizeInput(cloneSet(3, maxUnavailableOf(2), takeBack("1")), small("a"), small("b"), small("f", notReady(), crashing))), 2,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for range tt.steps {
				p := Compute(tt.in)
				at := slices.IndexFunc(p.Actions, func(a Action) bool { return a.Name() == "f" })
				if at < 0 {
					t.Fatalf("nothing is done to the failed pod: %v", deeds(p))
				}
				tt.in.Pods[2] = apply(t, tt.in.Pods[2], p.Actions[at].Patch)
				testpods.Observe(tt.in.Pods[2])
			}
			for _, later := range []time.Duration{0, time.Minute, time.Hour} {
				tt.in.Now = now().Add(later)
				if p := Compute(tt.in); slices.Contains(deeds(p), "GiveUp web-b") {
					t.Errorf("after %s: %v", later, deeds(p))
				}
			}
		})
	}
}

// A pod that an older release had kept down for long is not late at once when it is brought to the next one.
func TestPodThatWasDownBeforeItsUpdateIsNotLateAtOnce(t *testing.T) {
	set := cloneSet(2, takeBack("1"))
	set.Spec.ProgressDeadlineSeconds = new(int32(600))
	in := inHistory(inputOf(set, old("a"), podAt("web-c", "app:c", "b", testpods.Drained(now().Add(-time.Hour)))))
	in.Revisions.Templates["web-c"] = templateOf("app:c")
	p := Compute(in)
	expect(t, p, "UpdateInPlace b")
	in.Pods[1] = apply(t, in.Pods[1], p.Actions[0].Patch)
	testpods.Observe(in.Pods[1])
	expect(t, Compute(in))
	in.Now = now().Add(601 * time.Second)
	expect(t, Compute(in))
	in.Now = now().Add(603 * time.Second)
	expect(t, Compute(in), "GiveUp web-b")
}

// A rollout that is stopped before it is known what the new tag means makes the pods that are missing of the old one.
func TestStoppedRolloutMakesPodsThoughTheirDigestIsOpen(t *testing.T) {
	unknown := func(pod *corev1.Pod) {
		testpods.Status(pod, "web").ImageID, testpods.Status(pod, "web").ContainerID = "", ""
	}
	in := inHistory(inputOf(cloneSet(3, maxFailedOf("1"), inPlaceAs(pinning)), old("a"), failed("f", unknown)))
	expect(t, Compute(in), "CreatePod at web-a")
}

// A restart that had the tag resolved anew is undone with the digest that the stable revision has, by whichever hand.
func TestWayBackIsToTheRecordedDigest(t *testing.T) {
	first := digestOf("app:a")
	record := func(digest string) map[string]string {
		return map[string]string{appsv1beta1.DigestsAnnotation: `{"app:a":"` + digest + `"}`}
	}
	anew := func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = "app:a@sha256:two", corev1.PullAlways
		testpods.Status(pod, "web").ImageID = "app@sha256:two"
	}
	pinnedTo := func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "app:a@" + first }
	input := func(givenUp bool, state testpods.Option) Input {
		set := cloneSet(2, restarted, askingAlways, inPlaceAs(pinning), takeBack("1"))
		in := inHistory(inputOf(set, old("a", pinnedTo), podAt(revisionB, "app:a", "b", state, anew)), revisionB)
		in.Revisions.Templates[revisionA].Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
		in.Revisions.History[0].Annotations = record(first)
		maps.Copy(in.Revisions.History[2].Annotations, record("sha256:two"))
		if !givenUp {
			delete(in.Revisions.History[2].Annotations, appsv1beta1.FailureAnnotation)
			in.Revisions.Update, in.Revisions.Current = in.Revisions.Current, in.Revisions.Update
		}
		return in
	}
	for name, givenUp := range map[string]bool{"it is given up": true, "the template is set back": false} {
		t.Run(name, func(t *testing.T) {
			expect(t, Compute(input(givenUp, testpods.Serving())), "Drain b")
			in := input(givenUp, testpods.Drained(testpods.Start()))
			p := Compute(in)
			expect(t, p, "UpdateInPlace b")
			if got := apply(t, in.Pods[1], p.Actions[0].Patch).Spec.Containers[0].Image; got != "app:a@"+first {
				t.Errorf("the pod is brought back to %s", got)
			}
		})
	}
}

// What was skipped once is known to be the same when another container is skipped.
func TestSkipRemembersOtherContainers(t *testing.T) {
	of := func(web, log string) *corev1.PodTemplateSpec {
		template := templateOf(web)
		template.Spec.Containers = append(template.Spec.Containers, corev1.Container{Name: "log", Image: log})
		return template
	}
	set := cloneSet(1, inPlaceAs(skipping))
	set.Spec.Template = *of("app:c", "log:b")
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal.Policy = appsv1beta1.RehearseAlways
	pod := testpods.New("p", testpods.Label("app", "web"), testpods.Revision(revisionA),
		testpods.Container("web", "app:a"), testpods.Container("log", "log:a"), testpods.Serving(), onNode("n1"))
	const both = `{"log":"log:a","web":"app:a"}`
	pod.Annotations = map[string]string{appsv1beta1.SameImagesAnnotation: both}
	in := inputOf(set, pod)
	in.Revisions.Current.Template = of("app:b", "log:b")
	in.Revisions.Templates[revisionA] = in.Revisions.Current.Template
	perform(&in, Compute(in), tells(testpods.ImageID("app:a")))
	p := Compute(in)
	expect(t, p, "UpdateInPlace p")
	if diff := cmp.Diff(both, apply(t, pod, p.Actions[0].Patch).Annotations[appsv1beta1.SameImagesAnnotation]); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

// A container that is restarted for its resources, in service, is told of among the restarts that were planned.
func TestEndOfResizeTellsOfItsRestarts(t *testing.T) {
	pod := promised(t, "a", func(template *corev1.PodTemplateSpec) {
		template.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{
			{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer},
		}
	})
	pod = patched(t, pod, inplace.ResizePatch)
	testpods.Run(pod, "web", 2, "app:a")
	reported(pod)
	p := Compute(resizeInput(cloneSet(1), pod))
	expect(t, p, "EndResize a")
	last := inplace.ReadLastUpdate(apply(t, pod, p.Actions[0].Patch))
	if last == nil || last.PlannedRestarts["web"] != 1 {
		t.Errorf("told %+v", last)
	}
}

// What was given up is not taken for stable by a CloneSet that is made again over its pods.
func TestGivenUpRevisionIsNotTakenForStable(t *testing.T) {
	set := cloneSet(4, takeBack("1"))
	set.Spec.Template = *templateOf("app:c")
	in := inHistory(inputOf(set, old("a"), updated("b"), failed("f"), updated("g")), revisionB)
	in.Revisions.Templates["web-c"], in.Revisions.Templates[revisionB] = templateOf("app:c"), templateOf("app:b")
	in.Revisions.Update = Revision{Name: "web-c", Template: in.Revisions.Templates["web-c"]}
	in.Revisions.Current = in.Revisions.Update
	if got := Compute(in).Status.CurrentRevision; got != revisionA {
		t.Errorf("the stable revision is %s, want %s", got, revisionA)
	}
}

func patched(t *testing.T, pod *corev1.Pod, patch func(*corev1.Pod) []byte) *corev1.Pod {
	t.Helper()
	next, err := testpods.Patched(pod, patch(pod))
	if err != nil {
		t.Fatal(err)
	}
	return next
}
