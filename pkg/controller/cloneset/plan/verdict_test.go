package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func withDeadline(seconds int32) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.ProgressDeadlineSeconds = &seconds }
}

// unreadySince has the kubelet report a pod not ready since a while.
func unreadySince(ago time.Duration) testpods.Option {
	return testpods.Condition(corev1.PodReady, corev1.ConditionFalse, now().Add(-ago))
}

// A release that crashes on the pods which were down before is taken back under a budget that allows no disruption at all: no
// other pod can ever come to it, and these need no place, neither for it nor for the way back.
func TestCrashingReleaseUnderABudgetThatAllowsNone(t *testing.T) {
	none := budgetOf("web", 0, counting(3), func(b *Budget) { b.Status.DesiredHealthy, b.Status.ExpectedPods = 5, 5 })
	crashing := func(name string) *corev1.Pod {
		pod := patchedTo(t, name)
		testpods.Observe(pod)
		testpods.Run(pod, "web", 2, "app:b")
		testpods.Status(pod, "web").LastTerminationState.Terminated.ContainerID = "cri://web-3"
		testpods.Wait(pod, "web", "CrashLoopBackOff", "back-off 10s")
		return pod
	}
	tests := map[string][]*corev1.Pod{
		"as many as may fail": {old("a"), old("b"), old("c"), crashing("f"), crashing("g")},
		"fewer":               {old("a"), old("b"), old("c"), old("d"), crashing("f")},
	}
	for name, pods := range tests {
		t.Run(name, func(t *testing.T) {
			in := inHistory(inputOf(cloneSet(5, maxUnavailableOf(2), takeBack("2")), pods...))
			none.Status.CurrentHealthy = 3
			if name == "fewer" {
				none.Status.CurrentHealthy = 4
			}
			in.Budgets = []Budget{none}
			expect(t, Compute(in), "GiveUp web-b")
			in = inHistory(in, revisionB)
			p := Compute(in)
			for _, a := range p.Actions {
				if a.Kind != UpdateInPlace {
					t.Errorf("got %v", a)
				}
			}
			if len(p.Actions) == 0 {
				t.Error("nothing is brought back")
			}
		})
	}
}

// A pod that waits for its preDelete hook is not late, for however long it is out of service meanwhile.
func TestPodThatWaitsForItsHookIsNotLate(t *testing.T) {
	for name, s := range map[string]appsv1beta1.LifecycleState{
		"preDelete": appsv1beta1.LifecyclePreparingDelete, "inPlaceUpdate": appsv1beta1.LifecycleUpdated,
	} {
		t.Run(name, func(t *testing.T) {
			waiting := updated("b", state(s), hooked, testpods.Drained(now().Add(-time.Hour)))
			waiting.Labels[appsv1beta1.SpecifiedDeleteLabel] = ""
			in := inHistory(inputOf(cloneSet(3, maxUnavailableOf(2), takeBack("1"), withDeadline(600), withHooks, markingNotReady),
				old("a", hooked), old("c", hooked), waiting))
			for _, deed := range deeds(Compute(in)) {
				if deed == "GiveUp web-b" {
					t.Errorf("got %v", deed)
				}
			}
		})
	}
}

// A pod that is to be replaced since it was late stays so while it waits for its preDelete hook, and no other one becomes so.
func TestLatePodThatIsToBeReplacedWaitsForItsHook(t *testing.T) {
	const announced = appsv1beta1.LifecyclePreparingDelete
	restarted := func(options ...testpods.Option) *corev1.Pod {
		pod := patchedTo(t, "f")
		testpods.Observe(pod)
		testpods.Run(pod, "web", 2, "app:b")
		for _, option := range options {
			option(pod)
		}
		return pod
	}
	served := testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionTrue, now().Add(-30*time.Minute))
	drained := func(ago time.Duration) testpods.Option {
		return func(pod *corev1.Pod) {
			drained, err := testpods.Patched(pod, inplace.DrainPatch(pod, "for a test", "", now().Add(-ago)))
			if err != nil {
				t.Fatal(err)
			}
			*pod = *drained
		}
	}
	tests := map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"it is announced":                        {restarted(served, unreadySince(20*time.Minute)), []string{"Drain f", "PrepareDelete f"}},
		"it was announced":                       {restarted(served, unreadySince(20*time.Minute), state(announced)), []string{"Drain f"}},
		"it was drained to wait":                 {restarted(served, unreadySince(20*time.Minute), drained(time.Minute), state(announced)), nil},
		"it was ready until it was drained":      {restarted(served, unreadySince(19*time.Minute), drained(20*time.Minute), state(announced)), []string{"Restore f", "SetState f"}},
		"it was not late until it was drained":   {restarted(served, unreadySince(25*time.Minute), drained(20*time.Minute), state(announced)), []string{"Restore f", "SetState f"}},
		"it is not late, and was not drained":    {restarted(served, unreadySince(time.Minute), state(announced)), []string{"SetState f"}},
		"it is ready, and was to be scaled away": {restarted(served, testpods.Serving(), state(announced)), []string{"SetState f"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hooked(tt.pod)
			set := cloneSet(3, withDeadline(600), withHooks, markingNotReady, onFailure(appsv1beta1.RecreateOnFailure), maxUnavailableOf(1))
			expect(t, Compute(inHistory(inputOf(set, old("a", hooked), old("b", hooked), tt.pod))), tt.want...)
		})
	}
}

// Kept is when a pod was first patched to its revision.
func TestWhenAPodWasPatchedIsKept(t *testing.T) {
	in := inHistory(inputOf(cloneSet(1), old("a", testpods.Drained(now().Add(-7*time.Second)))))
	in.Revisions.Templates["web-c"] = templateOf("app:c")
	patch := func(want time.Time) {
		t.Helper()
		p := Compute(in)
		expect(t, p, "UpdateInPlace a")
		in.Pods[0] = apply(t, in.Pods[0], p.Actions[0].Patch)
		if kept := inplace.ReadState(in.Pods[0]).Since; kept == nil || !kept.Time.Equal(want) {
			t.Errorf("kept %v, want %v", kept, want)
		}
	}
	patch(now())
	in.Now = now().Add(time.Minute)
	newer(&in)
	patch(in.Now)
}

// Pods that are missing since the failed ones take their place among those that start are no other thing to wait for.
func TestFailedPodsKeepOthersFromBeingMade(t *testing.T) {
	short := budgetOf("web", 0, counting(2), func(b *Budget) { b.Status.DesiredHealthy, b.Status.ExpectedPods = 4, 5 })
	set := cloneSet(5, maxUnavailableOf(5), takeBack("2"), startingOf("1"))
	in := inHistory(inputOf(set, old("a"), old("b"), failed("f")))
	in.Budgets = []Budget{short}
	expect(t, Compute(in), "GiveUp web-b")
}
