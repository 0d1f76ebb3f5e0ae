package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// takeBack has the rollout taken back when so many pods have failed.
func takeBack(maxFailed string) edit {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action = appsv1beta1.RollbackOnFailure
		maxFailedOf(maxFailed)(set)
	}
}

func maxFailedOf(value string) edit {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.MaxFailed = new(intstr.Parse(value))
	}
}

// failed returns a pod that was made at web-b and cannot start.
func failed(name string, options ...testpods.Option) *corev1.Pod {
	return updated(name, append([]testpods.Option{notReady(), failing}, options...)...)
}

// inHistory returns what is observed where the revisions are there, and some of them were given up.
func inHistory(in Input, givenUp ...string) Input {
	in.Revisions.History = revisionsNamed(revisionA, "web-c", revisionB)
	for _, revision := range in.Revisions.History {
		if slices.Contains(givenUp, revision.Name) {
			revision.Annotations = map[string]string{appsv1beta1.FailureAnnotation: `{"version":1,"failed":1,"allowed":1}`}
		}
	}
	return in
}

func TestFailedPodsEndTheRollout(t *testing.T) {
	three := maxUnavailableOf(3)
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"one of two that may": {
			cloneSet(5, three, maxFailedOf("2")), with(numbered(4, old), failed("f")), []string{"Drain web-0000", "Drain web-0001"},
		},
		"two of two": {cloneSet(5, three, maxFailedOf("2")), with(numbered(3, old), failed("f"), failed("g")), nil},
		"a percentage is rounded up": {
			cloneSet(5, three, maxFailedOf("21%")), with(numbered(3, old), failed("f"), failed("g")), nil,
		},
		"as many as may be out of service, by default": {
			cloneSet(5, three), with(numbered(3, old), failed("f"), failed("g")), []string{"Drain web-0000"},
		},
		"what was drained goes back": {
			cloneSet(3, maxUnavailableOf(2), maxFailedOf("1")),
			[]*corev1.Pod{old("a", testpods.Drained(testpods.Start())), old("b"), failed("f")},
			[]string{"Restore a"},
		},
		"a pod that is missing is made as it was": {
			cloneSet(3, maxUnavailableOf(2), maxFailedOf("1")), []*corev1.Pod{old("a"), failed("f")}, []string{"CreatePod at web-a"},
		},
		"no surge pods are made": {
			cloneSet(3, surgeOf("1", "2"), maxFailedOf("1")), with(numbered(2, old), failed("f")), nil,
		},
		"of the first rollout, there is nothing to be left alone": {
			cloneSet(2, maxFailedOf("1"), func(set *appsv1beta1.CloneSet) { set.Spec.Template = *templateOf("app:a") }),
			[]*corev1.Pod{podAt(revisionA, "app:a", "f", testpods.Serving(), notReady(), failing)},
			[]string{"CreatePod at web-a"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inHistory(inputOf(tt.set, tt.pods...))
			if tt.set.Spec.Template.Spec.Containers[0].Image == "app:a" {
				in.Revisions.Update = in.Revisions.Current
			}
			expect(t, Compute(in), tt.want...)
		})
	}
}

func TestRevisionIsGivenUp(t *testing.T) {
	in := inHistory(inputOf(cloneSet(4, maxUnavailableOf(2), takeBack("2")), old("a"), old("b"), failed("f"), failed("g")))
	p := Compute(in)
	expect(t, p, "GiveUp web-b")
	a := &p.Actions[0]
	if why := "2 failed of 2 that failurePolicy takes: f: container web: ErrImagePull: not found"; !strings.Contains(a.Why, why) || !a.Warns {
		t.Errorf("got %v, warns %v", a, a.Warns)
	}
	var patch struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(a.Patch, &patch); err != nil {
		t.Fatal(err)
	}
	fault := inplace.Fault{Container: "web", Reason: "ErrImagePull", Message: "not found"}
	want := &Failure{
		Version: 1, At: now().UTC(), Failed: 2, Allowed: 2, Pods: []Evidence{{Pod: "f", Fault: fault}, {Pod: "g", Fault: fault}},
	}
	if diff := cmp.Diff(want, decodeFailure(patch.Metadata.Annotations[appsv1beta1.FailureAnnotation])); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if patch.Metadata.UID != "uid-web-b" {
		t.Errorf("it is kept on %s", patch.Metadata.UID)
	}
}

func TestRevisionIsNotGivenUp(t *testing.T) {
	pods := []*corev1.Pod{old("a"), old("b"), failed("f")}
	tests := map[string]struct {
		edits []edit
		known bool
	}{
		"with the action Pause":                {[]edit{maxFailedOf("1")}, true},
		"while it is paused":                   {[]edit{takeBack("1"), paused}, true},
		"with OnDelete":                        {[]edit{takeBack("1"), onlyOnDelete}, true},
		"while its ControllerRevision is lost": {[]edit{takeBack("1")}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(3, tt.edits...), pods...)
			if tt.known {
				in = inHistory(in)
			}
			expect(t, Compute(in))
		})
	}
}

// Where nothing else can be updated while the failed ones are down, there is nothing to wait for.
func TestFailedPodsThatBlockEndTheRollout(t *testing.T) {
	set := cloneSet(4, maxUnavailableOf(3), takeBack("3"))
	in := inHistory(inputOf(set, old("a"), old("b"), old("c"), failed("f")))
	expect(t, Compute(in), "Drain a", "Drain b")
	in.Budgets = []Budget{budgetOf("web", 0, counting(3), taken("f", 10*time.Second))}
	p := Compute(in)
	expect(t, p, "GiveUp web-b")
	contains(t, p.Actions[0].Why, "1 failed of 3 that failurePolicy takes, and no other one can be updated while they are down")
	in.Pods[1] = old("b", testpods.Drained(now()))
	in.Sightings[in.Pods[1].UID] = nil
	expect(t, Compute(in)) // One is under way still.
}

// A pod whose hook is off already, and that the budget has no place for, is not on its way.
func TestFailedPodsBlockOneThatWasPrepared(t *testing.T) {
	hook := &appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{"registered": "true"}}
	set := cloneSet(2, maxUnavailableOf(2), takeBack("2"), func(set *appsv1beta1.CloneSet) {
		set.Spec.Lifecycle = &appsv1beta1.Lifecycle{InPlaceUpdate: hook}
	})
	prepared := old("a", testpods.Label(appsv1beta1.LifecycleStateLabel, string(appsv1beta1.LifecyclePreparingUpdate)))
	in := inHistory(inputOf(set, prepared, failed("f", testpods.Label("registered", "true"))))
	expect(t, Compute(in), "Drain a")
	in.Budgets = []Budget{budgetOf("web", 0)}
	expect(t, Compute(in), "GiveUp web-b")
	set.Spec.Lifecycle.PreNormal, *set.Spec.Replicas = &appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{"warm": "true"}}, 3
	in.Pods = append(in.Pods, old("b", testpods.Label(appsv1beta1.LifecycleStateLabel, string(appsv1beta1.LifecyclePreparingNormal))))
	expect(t, Compute(in)) // One is about to be available.
}

func TestWayBack(t *testing.T) {
	atC := func(name string, options ...testpods.Option) *corev1.Pod {
		return podAt("web-c", "app:c", name, append([]testpods.Option{testpods.Serving()}, options...)...)
	}
	tests := map[string]struct {
		set     *appsv1beta1.CloneSet
		pods    []*corev1.Pod
		givenUp []string
		want    []string
	}{
		"goes over all pods of the revision, those that failed first": {
			cloneSet(4, maxUnavailableOf(1), takeBack("1")),
			[]*corev1.Pod{old("a"), updated("b"), updated("c"), failed("f")},
			[]string{revisionB},
			[]string{"Drain f"},
		},
		"needs no budget for those that failed": {
			cloneSet(4, maxUnavailableOf(2), takeBack("2")),
			[]*corev1.Pod{old("a"), updated("b"), failed("f"), failed("g")},
			[]string{revisionB},
			[]string{"Drain f", "Drain g"},
		},
		"is not held up by a third revision that fails": {
			cloneSet(3, maxUnavailableOf(1), takeBack("1")),
			[]*corev1.Pod{old("a"), atC("c", notReady()), failed("f")},
			[]string{revisionB},
			[]string{"Drain f"},
		},
		"keeps what is known of the revision": {
			cloneSet(1, takeBack("1"), func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32) }),
			[]*corev1.Pod{old("a")},
			[]string{revisionB},
			[]string{"DeleteRevision web-c"},
		},
		"keeps to the budget": {
			cloneSet(4, maxUnavailableOf(1), takeBack("1")), numbered(4, updated), []string{revisionB}, []string{"Drain web-0000"},
		},
		"patches what is drained": {
			cloneSet(2, takeBack("1")),
			[]*corev1.Pod{old("a"), failed("f", testpods.Drained(testpods.Start()))},
			[]string{revisionB},
			[]string{"UpdateInPlace f"},
		},
		"leaves a third revision alone": {
			cloneSet(3, maxUnavailableOf(3), takeBack("1")),
			[]*corev1.Pod{old("a"), atC("c"), updated("b")},
			[]string{revisionB},
			[]string{"Drain b"},
		},
		"but not one that was given up as well": {
			cloneSet(3, maxUnavailableOf(3), takeBack("1")),
			[]*corev1.Pod{old("a"), atC("c"), updated("b")},
			[]string{revisionB, "web-c"},
			[]string{"Drain b", "Drain c"},
		},
		"makes pods that are missing at the stable revision": {
			cloneSet(3, takeBack("1")), []*corev1.Pod{old("a")}, []string{revisionB}, []string{"CreatePod at web-a", "CreatePod at web-a"},
		},
		"whatever the partition": {
			cloneSet(2, partitionOf(1), takeBack("1")), []*corev1.Pod{old("a"), failed("f")}, []string{revisionB}, []string{"Drain f"},
		},
		"waits while it is paused": {
			cloneSet(2, paused, takeBack("1")), []*corev1.Pod{old("a"), failed("f")}, []string{revisionB}, nil,
		},
		"needs new pods where the change does": {
			cloneSet(2, withEnv, takeBack("1")), []*corev1.Pod{old("a"), failed("f")}, []string{revisionB}, []string{"Recreate f"},
		},
		"ends": {cloneSet(2, takeBack("1")), numbered(2, old), []string{revisionB}, nil},
		"is none without a stable revision": {
			cloneSet(2, takeBack("1")), numbered(2, updated), []string{revisionA}, nil,
		},
		"is none for a revision that nobody asks for": {
			cloneSet(2, takeBack("1")), []*corev1.Pod{updated("a"), atC("c", notReady(), failing)}, []string{"web-c"}, []string{"Drain c"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inHistory(inputOf(tt.set, tt.pods...), tt.givenUp...)
			in.Revisions.Templates["web-c"] = templateOf("app:c")
			p := Compute(in)
			expect(t, p, tt.want...)
			if p.Status.CurrentRevision == revisionB && tt.givenUp[0] == revisionB {
				t.Error("what was given up has become the stable revision")
			}
		})
	}
}

func TestConditionsOfAFailedRollout(t *testing.T) {
	const fine, short = "Available=True/MinimumReplicasAvailable", "Available=False/MinimumReplicasUnavailable"
	const still, flowing = "Reconciling=False/AsSpecified", "Stalled=False/AsSpecified"
	back := func(pods ...*corev1.Pod) Plan {
		return Compute(inHistory(inputOf(cloneSet(2, takeBack("1")), pods...), revisionB))
	}
	p := back(old("a"), failed("f"))
	wantConditions(t, p, fine, "Progressing=False/RollingBack", "Reconciling=True/RollingBack", flowing)
	contains(t, message(p, "Progressing"), "revision web-b was given up: 1 failed of 1")
	contains(t, message(p, "Progressing"), "1 pods are to be brought back to web-a, and 1 of 2 are available")
	if p.Status.UpdateRevision != revisionB || p.Status.CurrentRevision != revisionA || p.Status.UpdatedReplicas != 1 {
		t.Errorf("got %+v", p.Status)
	}
	p = back(old("a"), old("b", notReady()))
	wantConditions(t, p, fine, "Progressing=False/RollingBack", "Reconciling=True/RollingBack", flowing)
	p = back(old("a", notReady()), old("b", notReady()))
	wantConditions(t, p, short, "Progressing=False/RollingBack", "Reconciling=True/RollingBack", flowing)
	p = back(old("a"), old("b"))
	wantConditions(t, p, fine, "Progressing=False/RolledBack", still, "Stalled=True/RolledBack")
	contains(t, message(p, "Stalled"), "take the annotation apps.insitu.dev/failure off ControllerRevision web-b")
	if p.Status.UpdateRevision != revisionB || p.Status.CurrentRevision != revisionA || p.Status.UpdatedReplicas != 0 {
		t.Errorf("got %+v", p.Status)
	}
}

// A pod of a third revision that was being updated in batches is brought to its own end.
func TestWayBackEndsWhatWasBegunElsewhere(t *testing.T) {
	begun := podAt("web-c", "app:x", "c", testpods.Drained(testpods.Start()))
	begun.Annotations = map[string]string{
		appsv1beta1.InPlaceStateAnnotation: `{"version":1,"revision":"web-c","generation":1,"pending":["web"]}`,
	}
	in := inHistory(inputOf(cloneSet(2, takeBack("1")), old("a"), begun), revisionB)
	in.Revisions.Templates["web-c"] = templateOf("app:c")
	p := Compute(in)
	expect(t, p, "UpdateInPlace c")
	contains(t, string(p.Actions[0].Patch), "app:c")
}

func TestGivenUpRevisionIsNeverStable(t *testing.T) {
	p := Compute(inHistory(inputOf(cloneSet(0, takeBack("1"))), revisionB))
	if got := p.Status.CurrentRevision; got != revisionA {
		t.Errorf("got %s", got)
	}
	// One that is stable all the same is the only one that there is.
	in := inHistory(inputOf(cloneSet(1, takeBack("1")), updated("a")), revisionB)
	in.Revisions.Current = in.Revisions.Update
	if reason, _ := progressOf(Compute(in)); reason != appsv1beta1.ReasonComplete {
		t.Errorf("got %s", reason)
	}
}

// The deadline begins anew with the way back.
func TestWayBackHasItsOwnDeadline(t *testing.T) {
	set := cloneSet(2, takeBack("1"), func(set *appsv1beta1.CloneSet) {
		set.Spec.ProgressDeadlineSeconds = new(int32(600))
		set.Status.UpdateRevision, set.Status.ObservedGeneration = revisionB, set.Generation
		set.Status.LastProgressTime = &metav1.Time{Time: now().Add(-time.Hour)}
		set.Status.Conditions = []metav1.Condition{
			{Type: appsv1beta1.ConditionReconciling, Status: metav1.ConditionTrue},
			{Type: appsv1beta1.ConditionProgressing, Status: metav1.ConditionFalse, Reason: appsv1beta1.ReasonPausedByFailures},
		}
	})
	if reason, _ := progressOf(Compute(inHistory(inputOf(set, old("a"), failed("f")), revisionB))); reason != appsv1beta1.ReasonRollingBack {
		t.Errorf("got %s", reason)
	}
}

// What cannot be read says nothing of the reason, and the revision was given up all the same.
func TestFailureThatCannotBeRead(t *testing.T) {
	for _, data := range []string{"{", "true", `{"version":2}`} {
		in := inHistory(inputOf(cloneSet(2, takeBack("1")), numbered(2, old)...), revisionB)
		in.Revisions.History[2].Annotations[appsv1beta1.FailureAnnotation] = data
		p := Compute(in)
		expect(t, p)
		contains(t, message(p, "Stalled"), "revision web-b was given up: pods failed")
	}
}

// A pod that is late has failed, too; one that waits for a hook is not waited for.
func TestPodThatIsNotReadyInTimeHasFailed(t *testing.T) {
	deadline := func(set *appsv1beta1.CloneSet) { set.Spec.ProgressDeadlineSeconds = new(int32(600)) }
	unready := func(since time.Duration) testpods.Option {
		return testpods.Condition(corev1.PodReady, corev1.ConditionFalse, now().Add(-since))
	}
	p := Compute(inHistory(inputOf(cloneSet(2, takeBack("1"), deadline), old("a"), updated("b", unready(601*time.Second)))))
	expect(t, p)
	p = Compute(inHistory(inputOf(cloneSet(2, takeBack("1"), deadline), old("a"), updated("b", unready(603*time.Second)))))
	expect(t, p, "GiveUp web-b")
	contains(t, p.Actions[0].Why, "b: NotReady: not ready for 10m2s") // The drain is on top of the deadline.
}

// A revision to which one may go back is one whose pods run for good.
func TestStableRevisionIsProven(t *testing.T) {
	ready := func(since time.Duration) testpods.Option {
		return testpods.Condition(corev1.PodReady, corev1.ConditionTrue, now().Add(-since))
	}
	started := func(since time.Duration) testpods.Option {
		return func(pod *corev1.Pod) {
			testpods.Status(pod, "web").State.Running.StartedAt = metav1.NewTime(now().Add(-since))
		}
	}
	minReady := func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 30 }
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pod  *corev1.Pod
		want string
		wake time.Duration
	}{
		"nobody goes back":      {cloneSet(1), updated("a", ready(time.Second)), revisionB, 0},
		"ready a second ago":    {cloneSet(1, takeBack("1")), updated("a", ready(time.Second)), revisionA, 9 * time.Second},
		"ready ten seconds ago": {cloneSet(1, takeBack("1")), updated("a", ready(10*time.Second)), revisionB, 0},
		"crashed in between":    {cloneSet(1, takeBack("1")), updated("a", ready(time.Minute), crashed), revisionA, 10 * time.Second},
		"started in service a second ago": {
			cloneSet(1, takeBack("1")), updated("a", ready(time.Minute), started(time.Second)), revisionA, 9 * time.Second,
		},
		"started in service ten seconds ago": {
			cloneSet(1, takeBack("1")), updated("a", ready(time.Minute), started(10*time.Second)), revisionB, 0,
		},
		"started in service within minReadySeconds": {
			cloneSet(1, takeBack("1"), minReady), updated("a", ready(time.Minute), started(10*time.Second)), revisionA, 20 * time.Second,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(inHistory(inputOf(tt.set, tt.pod)))
			if p.Status.CurrentRevision != tt.want || p.Wake != tt.wake {
				t.Errorf("got %s, wake %s, want %s and %s", p.Status.CurrentRevision, p.Wake, tt.want, tt.wake)
			}
		})
	}
}

func TestRefusesMaxFailed(t *testing.T) {
	for _, value := range []string{"0", "-1", "0%", "101%", "1.5%", "many"} {
		errs := Validate(cloneSet(2, maxFailedOf(value)))
		if len(errs) != 1 || errs[0].Field != "spec.updateStrategy.rollingUpdate.failurePolicy.maxFailed" {
			t.Errorf("%s: got %v", value, errs)
		}
	}
}

func TestRefusesFailureActions(t *testing.T) {
	onlyInPlace := policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)
	for _, set := range []*appsv1beta1.CloneSet{cloneSet(2, onFailure("Explode")), cloneSet(2, onFailure("Recreate"), onlyInPlace)} {
		errs := Validate(set)
		if len(errs) != 1 || errs[0].Field != "spec.updateStrategy.rollingUpdate.failurePolicy.action" {
			t.Errorf("got %v", errs)
		}
	}
}

func onFailure(action appsv1beta1.FailureAction) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action = action }
}

// A pod that failed after its update in place is replaced once.
func TestFailedPodIsReplaced(t *testing.T) {
	inPlace := func(name string) *corev1.Pod {
		pod := patchedTo(t, name)
		testpods.Observe(pod)
		testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionTrue, now())(pod)
		notReady()(pod)
		testpods.Run(pod, "web", 2, "app:b")
		failing(pod)
		return pod
	}
	recreate := onFailure(appsv1beta1.RecreateOnFailure)
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"updated in place":       {cloneSet(3, recreate), []*corev1.Pod{old("a"), old("b"), inPlace("f")}, []string{"Recreate f"}},
		"its successor":          {cloneSet(3, recreate), []*corev1.Pod{old("a"), old("b"), failed("f")}, nil},
		"is made where it was":   {cloneSet(3, recreate), []*corev1.Pod{old("a"), old("b")}, []string{"CreatePod at web-b"}},
		"while it is paused":     {cloneSet(3, recreate, paused), []*corev1.Pod{old("a"), old("b"), inPlace("f")}, nil},
		"with the action Pause":  {cloneSet(3), []*corev1.Pod{old("a"), old("b"), inPlace("f")}, nil},
		"fewer than are allowed": {cloneSet(4, recreate, maxUnavailableOf(2)), []*corev1.Pod{old("a"), old("b"), updated("c"), inPlace("f")}, []string{"Drain a", "Recreate f"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inHistory(inputOf(tt.set, tt.pods...))), tt.want...) })
	}
}
