package plan

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// registered is the finalizer by which the load balancer of these tests says that it knows a pod.
const registered = "example.com/registered"

func hooked(pod *corev1.Pod) { pod.Finalizers = append(pod.Finalizers, registered) }

func state(s appsv1beta1.LifecycleState) testpods.Option {
	return testpods.Label(appsv1beta1.LifecycleStateLabel, string(s))
}

// withHooks has the load balancer told of everything.
func withHooks(set *appsv1beta1.CloneSet) {
	hook := func() *appsv1beta1.LifecycleHook {
		return &appsv1beta1.LifecycleHook{FinalizersHandler: []string{registered}}
	}
	set.Spec.Lifecycle = &appsv1beta1.Lifecycle{PreNormal: hook(), InPlaceUpdate: hook(), PreDelete: hook()}
}

// withLabelHook has the load balancer told of updates by a label that has no value.
func withLabelHook(set *appsv1beta1.CloneSet) {
	set.Spec.Lifecycle = &appsv1beta1.Lifecycle{
		InPlaceUpdate: &appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{"lb": ""}},
	}
}

func markingNotReady(set *appsv1beta1.CloneSet) {
	set.Spec.Lifecycle.InPlaceUpdate.MarkPodNotReady = true
	set.Spec.Lifecycle.PreDelete.MarkPodNotReady = true
}

func toPrevious(set *appsv1beta1.CloneSet) { set.Spec.Template = *templateOf("app:a") }

// forged has a state that no patch has left: that containers of the pod wait for others.
func forged(pod *corev1.Pod) {
	state := fmt.Sprintf(`{"version":1,"revision":"web-x","generation":%d,"pending":["web"]}`, pod.Generation+1)
	pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: state}
}

func TestHooks(t *testing.T) {
	drained := testpods.Drained(testpods.Start())
	const (
		normal          = appsv1beta1.LifecycleNormal
		preparingUpdate = appsv1beta1.LifecyclePreparingUpdate
		preparingDelete = appsv1beta1.LifecyclePreparingDelete
		preparingNormal = appsv1beta1.LifecyclePreparingNormal
		isUpdated       = appsv1beta1.LifecycleUpdated
		updating        = appsv1beta1.LifecycleUpdating
	)
	paused := func(set *appsv1beta1.CloneSet) { paused(set); withHooks(set) }
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"a new pod says that it waits": {cloneSet(1, withHooks), nil, []string{"CreatePod at web-b"}},
		"a new pod waits":              {cloneSet(1, withHooks), []*corev1.Pod{updated("a", state(preparingNormal))}, nil},
		"a new pod is known": {
			cloneSet(1, withHooks), []*corev1.Pod{updated("a", hooked, state(preparingNormal))}, []string{"SetState a"},
		},
		"the update is announced": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", hooked, state(normal))}, []string{"PrepareUpdate a"},
		},
		"a pod that nobody knows is updated at once": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a")}, []string{"Drain a"},
		},
		"a label without a value is off when it is not there": {
			cloneSet(1, withLabelHook), []*corev1.Pod{old("a", state(preparingUpdate))}, []string{"Drain a"},
		},
		"a label without a value is on when it is there": {
			cloneSet(1, withLabelHook), []*corev1.Pod{old("a", testpods.Label("lb", ""), state(preparingUpdate))}, nil,
		},
		"an announced pod counts as out of service": {
			cloneSet(2, withHooks), []*corev1.Pod{old("a", hooked, state(preparingUpdate)), old("b", hooked)}, nil,
		},
		"an announced pod is left alone while it is known": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", hooked, state(preparingUpdate))}, nil,
		},
		"the hook is off": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", state(preparingUpdate))}, []string{"Drain a"},
		},
		"the hook is off and the pod drained": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", drained, state(preparingUpdate))}, []string{"UpdateInPlace a"},
		},
		"the pod is drained, and hooked again": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", drained, hooked, state(preparingUpdate))}, nil,
		},
		"the pod is drained, and somebody has written that it was patched": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", drained, hooked, state(preparingUpdate), forged)}, nil,
		},
		"it looks patched, since its gate was turned off late": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", drained, hooked, state(normal), forged)}, []string{"PrepareUpdate a"},
		},
		"out of service at once": {
			cloneSet(1, withHooks, markingNotReady), []*corev1.Pod{old("a", hooked)}, []string{"PrepareUpdate a", "Drain a"},
		},
		"out of service at once, before the hook is off": {
			cloneSet(1, withHooks, markingNotReady), []*corev1.Pod{old("a", drained, hooked, state(preparingUpdate))}, nil,
		},
		"an updated pod waits to be known again": {
			cloneSet(1, withHooks), []*corev1.Pod{updated("a", state(updating))}, []string{"SetState a"},
		},
		"an updated pod is known again": {
			cloneSet(1, withHooks), []*corev1.Pod{updated("a", hooked, state(isUpdated))}, []string{"SetState a"},
		},
		"an updated pod that is not known yet is no available one": {
			cloneSet(2, withHooks), []*corev1.Pod{updated("a", state(isUpdated)), old("b", hooked)}, nil,
		},
		"a pod that is not known yet is to be updated again": {
			cloneSet(1, withHooks), []*corev1.Pod{old("a", state(isUpdated))}, []string{"PrepareUpdate a"},
		},
		"the update is taken back before the hook is off": {
			cloneSet(1, paused), []*corev1.Pod{old("a", hooked, state(preparingUpdate))}, []string{"SetState a"},
		},
		"the update is taken back after the pod was drained": {
			cloneSet(1, paused), []*corev1.Pod{old("a", drained, state(preparingUpdate))}, []string{"SetState a", "Restore a"},
		},
		"a deletion is announced": {
			cloneSet(0, withHooks), []*corev1.Pod{updated("a", hooked)}, []string{"PrepareDelete a"},
		},
		"a deletion waits": {
			cloneSet(0, withHooks), []*corev1.Pod{updated("a", hooked, state(preparingDelete))}, nil,
		},
		"a deletion is done": {
			cloneSet(0, withHooks), []*corev1.Pod{updated("a", state(preparingDelete))}, []string{"ScaleIn a"},
		},
		"a deletion is taken back": {
			cloneSet(1, withHooks), []*corev1.Pod{updated("a", hooked, state(preparingDelete))}, []string{"SetState a"},
		},
		"a deletion takes the pod out of service": {
			cloneSet(0, withHooks, markingNotReady), []*corev1.Pod{updated("a", hooked)}, []string{"PrepareDelete a", "Drain a"},
		},
		"a recreation waits": {
			cloneSet(2, withHooks, withEnv), []*corev1.Pod{old("a", hooked), old("b", hooked, state(preparingDelete))}, nil,
		},
		"a recreation is done": {
			cloneSet(2, withHooks, withEnv),
			[]*corev1.Pod{old("a", hooked), old("b", state(preparingDelete))},
			[]string{"Recreate b"},
		},
		"the one that was announced goes": {
			cloneSet(1, withHooks), []*corev1.Pod{updated("a", hooked), updated("b", hooked, state(preparingDelete))}, nil,
		},
		"somebody else deletes": {
			cloneSet(0, withHooks), []*corev1.Pod{updated("a", hooked, terminating)}, []string{"PrepareDelete a"},
		},
		"replaced before the hook is done": {
			cloneSet(1, withHooks, withEnv, excludingPreparing),
			[]*corev1.Pod{old("a", hooked, state(preparingDelete))},
			[]string{"CreatePod at web-b"},
		},
		"not replaced before the hook is done": {
			cloneSet(1, withHooks, withEnv), []*corev1.Pod{old("a", hooked, state(preparingDelete))}, nil,
		},
		"scaled in and not counted": {
			cloneSet(1, withHooks, excludingPreparing),
			[]*corev1.Pod{updated("a", hooked), updated("b", hooked, state(preparingDelete))},
			nil,
		},
		"scaled in, and then out again": {
			cloneSet(2, withHooks, excludingPreparing),
			[]*corev1.Pod{updated("a", hooked), updated("b", hooked, state(preparingDelete))},
			[]string{"SetState b"},
		},
		"nothing is waited for in a state that there is none of": {
			cloneSet(2, withHooks),
			[]*corev1.Pod{old("a", hooked, state("Odd")), updated("b", hooked, state("Odd"))},
			[]string{"PrepareUpdate a"},
		},
		"without hooks a state means nothing, and is set right": {
			cloneSet(1), []*corev1.Pod{updated("a", state(isUpdated))}, []string{"SetState a"},
		},
		"without hooks nothing waits": {
			cloneSet(1), []*corev1.Pod{old("a", hooked, state(preparingUpdate))}, []string{"Drain a"},
		},
		"a state that is right is left": {
			cloneSet(1), []*corev1.Pod{updated("a", state(normal))}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...)
		})
	}
}

func excludingPreparing(set *appsv1beta1.CloneSet) {
	set.Spec.ScaleStrategy.ExcludePreparingDelete = true
}

func TestPreparingPodsThatDoNotCount(t *testing.T) {
	gone := []testpods.Option{hooked, state(appsv1beta1.LifecyclePreparingDelete)}
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"an old pod whose place a surge pod has taken goes on waiting": {
			cloneSet(3, surgeOf("0", "1"), withHooks, excludingPreparing), with(numbered(3, updated, hooked), old("a", gone...)), nil,
		},
		"it goes back into service when all pods are to be updated anew": {
			cloneSet(2, surgeOf("0", "1"), withHooks, excludingPreparing), with(numbered(2, old, hooked), old("a", gone...)),
			[]string{"SetState a"},
		},
		"one that was to be replaced, and that the partition keeps now, goes back into service": {
			cloneSet(2, surgeOf("1", "1"), withEnv, partitionOf(1), withHooks, excludingPreparing),
			[]*corev1.Pod{updated("a", hooked), old("b", gone...)},
			[]string{"SetState b"},
		},
		"as it does while the update is paused": {
			cloneSet(2, withEnv, paused, withHooks, excludingPreparing),
			[]*corev1.Pod{old("a", hooked), old("b", gone...)},
			[]string{"SetState b"},
		},
		"one that surged is deleted instead, when the partition is raised": {
			cloneSet(1, surgeOf("0", "1"), partitionOf(1), withHooks, excludingPreparing),
			[]*corev1.Pod{updated("a", notReady()), old("b", gone...)},
			[]string{"ScaleIn a", "SetState b"},
		},
		"of those that are to be replaced no more are bound than are updated now": {
			cloneSet(4, surgeOf("1", "2"), withEnv, partitionOf(2), withHooks, excludingPreparing),
			with(numbered(3, updated), old("a", gone...), old("b", gone...), old("c", hooked), old("d", hooked)),
			[]string{"ScaleIn web-0000"}, // With those two gone there is one too many.
		},
		"those that go back surge for their own update, and none is made for it": {
			cloneSet(1, surgeOf("0", "1"), policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy), withHooks, excludingPreparing),
			[]*corev1.Pod{old("a", gone...), old("b", gone...)},
			[]string{"SetState a", "SetState b"},
		},
		"one that the user wants deleted has its replacement, and no more": {
			cloneSet(2, surgeOf("0", "1"), withHooks, excludingPreparing),
			[]*corev1.Pod{updated("a", hooked), updated("b", hooked, state(appsv1beta1.LifecyclePreparingDelete), specified)},
			[]string{"CreatePod at web-b"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

func TestStatesThatAreSet(t *testing.T) {
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pod  *corev1.Pod
		want string
	}{
		"new": {cloneSet(1, withHooks), nil, "PreparingNormal"},
		"known": {
			cloneSet(1, withHooks), updated("a", hooked, state(appsv1beta1.LifecyclePreparingNormal)), `"Normal"`,
		},
		"updated": {cloneSet(1, withHooks), updated("a", state(appsv1beta1.LifecycleUpdating)), `"Updated"`},
		"updated, and known already": {
			cloneSet(1, withHooks), updated("a", hooked, state(appsv1beta1.LifecycleUpdating)), `"Normal"`,
		},
		"patched": {
			cloneSet(1, withHooks),
			old("a", testpods.Drained(testpods.Start()), state(appsv1beta1.LifecyclePreparingUpdate)), `"Updating"`,
		},
		"the hook is put back, so that it can be taken off": {
			cloneSet(1, withHooks), old("a", state(appsv1beta1.LifecycleUpdated)), `"finalizers":["` + registered + `"]`,
		},
		"not to be updated, and no longer known": {
			cloneSet(1, withHooks, toPrevious), updatedFrom("a", state(appsv1beta1.LifecyclePreparingUpdate)), `"Updated"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var pods []*corev1.Pod
			if tt.pod != nil {
				pods = append(pods, tt.pod)
			}
			p := Compute(inputOf(tt.set, pods...))
			if len(p.Actions) != 1 {
				t.Fatalf("got %v, want one action", p.Actions)
			}
			text := string(p.Actions[0].Patch)
			if created := p.Actions[0].Pod; tt.pod == nil {
				text = created.Labels[appsv1beta1.LifecycleStateLabel]
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

// updatedFrom is a pod that is at the update revision and serves.
func updatedFrom(name string, options ...testpods.Option) *corev1.Pod {
	return updated(name, options...)
}

func TestHooksAreNoted(t *testing.T) {
	p := Compute(inputOf(cloneSet(1, withHooks), old("a", hooked, state(appsv1beta1.LifecyclePreparingUpdate))))
	if len(p.Status.PodNotes) != 1 || p.Status.PodNotes[0].Reason != appsv1beta1.NoteAwaitingHook {
		t.Errorf("got notes %v, want one that tells of the hook", p.Status.PodNotes)
	}
	if p.Status.AvailableReplicas != 0 || p.Status.ReadyReplicas != 1 {
		t.Errorf("got %d available and %d ready, want 0 and 1", p.Status.AvailableReplicas, p.Status.ReadyReplicas)
	}
}

// That a pod is to be replaced is no news any more when it waits for its hook.
func TestHookOfAReplacedPodIsNoted(t *testing.T) {
	p := Compute(inputOf(cloneSet(1, withHooks, withEnv), old("a", hooked, state(appsv1beta1.LifecyclePreparingDelete))))
	if len(p.Status.PodNotes) != 1 || p.Status.PodNotes[0].Reason != appsv1beta1.NoteAwaitingHook {
		t.Errorf("got notes %v, want one that tells of the hook", p.Status.PodNotes)
	}
}

func TestAHookNeedsAllOfItselfAndAnyOfItselfHolds(t *testing.T) {
	hook := &appsv1beta1.LifecycleHook{
		LabelsHandler: map[string]string{"lb": "in"}, FinalizersHandler: []string{"example.com/a", "example.com/b"},
	}
	pod := old("a", testpods.Label("lb", "out"))
	if holds(hook, pod) || isWhole(hook, pod) {
		t.Error("a label of another value is taken for the hook")
	}
	pod.Finalizers = []string{"example.com/b"}
	if !holds(hook, pod) || isWhole(hook, pod) {
		t.Error("want a part of the hook to hold the pod, and not to be the whole")
	}
	pod.Labels["lb"], pod.Finalizers = "in", []string{"example.com/b", "other", "example.com/a"}
	if !isWhole(hook, pod) {
		t.Error("want all of the hook to be the whole")
	}
	if holds(nil, pod) || !isWhole(nil, pod) {
		t.Error("want no hook to hold nothing")
	}
	if inplace.Condition(pod, corev1.PodReady) == nil {
		t.Error("the pod of this test is not ready")
	}
}
