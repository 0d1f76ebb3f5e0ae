package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func cpuOf(amount string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount)}}
}

// resizeInput returns what is observed of a CloneSet whose update gives the container web 200m of cpu, and not 100m, and
// changes no image.
func resizeInput(set *appsv1beta1.CloneSet, pods ...*corev1.Pod) Input {
	set.Spec.Template.Spec.Containers[0].Image = "app:a"
	before := set.Spec.Template.DeepCopy()
	before.Spec.Containers[0].Resources = cpuOf("100m")
	set.Spec.Template.Spec.Containers[0].Resources = cpuOf("200m")
	in := inputOf(set, pods...)
	in.Revisions.Current.Template = before
	in.Revisions.Templates[revisionA] = before
	return in
}

// small returns a pod at revision web-a that serves with 100m.
func small(name string, options ...testpods.Option) *corev1.Pod {
	return old(name, append([]testpods.Option{func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Resources = cpuOf("100m")
		reported(pod)
	}}, options...)...)
}

// reported is the kubelet reporting what the pod asks for.
func reported(pod *corev1.Pod) {
	testpods.Observe(pod)
	resources := pod.Spec.Containers[0].Resources.DeepCopy()
	status := testpods.Status(pod, "web")
	status.Resources, status.AllocatedResources = resources, resources.Requests
}

// promised makes a small pod one that is to get 200m.
func promised(t *testing.T, name string, edits ...func(*corev1.PodTemplateSpec)) *corev1.Pod {
	t.Helper()
	in := resizeInput(cloneSet(1))
	before, after := in.Revisions.Current.Template, in.Revisions.Update.Template
	for _, edit := range edits {
		edit(before)
		edit(after)
	}
	target := inplace.Target{Revision: revisionB, Template: after}
	pod := small(name)
	patched, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, inplace.Compare(before, after), inplace.Progress{InService: true}))
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

// asked makes it one that was asked for them, and whose kubelet has seen that.
func asked(t *testing.T, name string, options ...testpods.Option) *corev1.Pod {
	t.Helper()
	pod := promised(t, name)
	patched, err := testpods.Patched(pod, inplace.ResizePatch(pod))
	if err != nil {
		t.Fatal(err)
	}
	testpods.Observe(patched)
	for _, option := range options {
		option(patched)
	}
	return patched
}

func resizeIs(kind corev1.PodConditionType, reason string) testpods.Option {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: "so says the kubelet",
		})
	}
}

func deferred() testpods.Option { return resizeIs(corev1.PodResizePending, corev1.PodReasonDeferred) }

func infeasible() testpods.Option {
	return resizeIs(corev1.PodResizePending, corev1.PodReasonInfeasible)
}

// restarting has the container restarted for another amount of cpu.
func restarting(in *Input) {
	for _, template := range in.Revisions.Templates {
		template.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{
			{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer},
		}
	}
}

// overtaken returns a pod that was promised 200m, for which the container is restarted, before it had a node, and that serves
// with 100m by now.
func overtaken(t *testing.T, name string, options ...testpods.Option) *corev1.Pod {
	t.Helper()
	in := resizeInput(cloneSet(1))
	restarting(&in)
	before, after := in.Revisions.Current.Template, in.Revisions.Update.Template
	pod := small(name)
	node, status := pod.Spec.NodeName, pod.Status
	pod.Spec.NodeName, pod.Status.ContainerStatuses = "", nil
	target := inplace.Target{Revision: revisionB, Template: after}
	patched, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, inplace.Compare(before, after), inplace.Progress{InService: true}))
	if err != nil {
		t.Fatal(err)
	}
	patched.Spec.NodeName, patched.Status = node, status
	for _, option := range options {
		option(patched)
	}
	return patched
}

func TestResize(t *testing.T) {
	only := policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
		// updated is how many pods count as updated, and reason is that of Progressing.
		updated int32
		reason  string
	}{
		"as many are promised at a time as may be out of service": {
			cloneSet(4, maxUnavailableOf(2)),
			[]*corev1.Pod{small("a"), small("b"), small("c"), small("d")},
			[]string{"UpdateInPlace a", "UpdateInPlace b"},
			0, appsv1beta1.ReasonUpdating,
		},
		"one on its way takes a place": {
			cloneSet(3, maxUnavailableOf(2)),
			[]*corev1.Pod{small("a"), small("b"), asked(t, "c")},
			[]string{"UpdateInPlace a"},
			0, appsv1beta1.ReasonUpdating,
		},
		"a promise is kept": {
			cloneSet(2), []*corev1.Pod{small("a"), promised(t, "b")}, []string{"Resize b"}, 0, appsv1beta1.ReasonUpdating,
		},
		"a promise is kept while paused": {
			cloneSet(2, paused), []*corev1.Pod{small("a"), promised(t, "b")}, []string{"Resize b"}, 0, appsv1beta1.ReasonPaused,
		},
		"what is done counts, and is taken note of": {
			cloneSet(2, maxUnavailableOf(1)),
			[]*corev1.Pod{small("a"), asked(t, "b", reported)},
			[]string{"EndResize b", "UpdateInPlace a"},
			1, appsv1beta1.ReasonUpdating,
		},
		"nothing surges": {
			cloneSet(2, surgeOf("0", "1")), []*corev1.Pod{small("a"), small("b")}, []string{"UpdateInPlace a"}, 0, appsv1beta1.ReasonUpdating,
		},
		"one without room holds up no other": {
			cloneSet(2, maxUnavailableOf(1)),
			[]*corev1.Pod{small("a"), asked(t, "b", deferred())},
			[]string{"UpdateInPlace a"},
			0, appsv1beta1.ReasonUpdating,
		},
		"only room is waited for": {
			cloneSet(1), []*corev1.Pod{asked(t, "a", deferred())}, nil, 0, appsv1beta1.ReasonAwaitingResize,
		},
		"a failure is waited for, too": {
			cloneSet(1),
			[]*corev1.Pod{asked(t, "a", resizeIs(corev1.PodResizeInProgress, corev1.PodReasonError))},
			nil, 0, appsv1beta1.ReasonAwaitingResize,
		},
		"one that never gets it is replaced": {
			cloneSet(2, maxUnavailableOf(1)),
			[]*corev1.Pod{asked(t, "a", infeasible()), asked(t, "b", reported)},
			[]string{"EndResize b", "Recreate a"},
			1, appsv1beta1.ReasonUpdating,
		},
		"what no node has is tried on no more pods": {
			cloneSet(2, only), []*corev1.Pod{asked(t, "a", infeasible()), small("b")}, nil, 0, appsv1beta1.ReasonInPlaceImpossible,
		},
		"but for those that are down": {
			cloneSet(2, only),
			[]*corev1.Pod{asked(t, "a", infeasible()), small("b", notReady())},
			[]string{"UpdateInPlace b"},
			0, appsv1beta1.ReasonInPlaceImpossible,
		},
		"but not while another one is down": {
			cloneSet(2, maxUnavailableOf(1)),
			[]*corev1.Pod{asked(t, "a", infeasible()), asked(t, "b", notReady())},
			nil, 0, appsv1beta1.ReasonUpdating,
		},
		"nor while paused": {
			cloneSet(1, paused), []*corev1.Pod{asked(t, "a", infeasible())}, nil, 0, appsv1beta1.ReasonAwaitingResize,
		},
		"nor where that is forbidden": {
			cloneSet(1, only), []*corev1.Pod{asked(t, "a", infeasible())}, nil, 0, appsv1beta1.ReasonInPlaceImpossible,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(resizeInput(tt.set, tt.pods...))
			expect(t, p, tt.want...)
			if reason, _ := progressOf(p); reason != tt.reason || p.Status.UpdatedReplicas != tt.updated {
				t.Errorf("got %s with %d updated, want %s with %d", reason, p.Status.UpdatedReplicas, tt.reason, tt.updated)
			}
		})
	}
}

// What the API server says against a resize decides whether it is tried again, the pod is replaced or left alone.
func TestResizeIsRefused(t *testing.T) {
	tests := map[string]struct {
		policy appsv1beta1.PodUpdatePolicy
		final  bool
		want   []string
		note   string
	}{
		"by a quota":                  {appsv1beta1.InPlaceIfPossiblePodUpdatePolicy, false, []string{"Resize a"}, appsv1beta1.NoteResizeRefused},
		"for good":                    {appsv1beta1.InPlaceIfPossiblePodUpdatePolicy, true, []string{"Recreate a"}, appsv1beta1.NoteRecreate},
		"for good, and in place only": {appsv1beta1.InPlaceOnlyPodUpdatePolicy, true, nil, appsv1beta1.NoteInPlaceImpossible},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := promised(t, "a")
			in := resizeInput(cloneSet(1, policyOf(tt.policy)), pod)
			in.ResizeRefusals = map[types.UID]ResizeRefusal{pod.UID: {Revision: revisionB, Message: "no", Final: tt.final}}
			p := Compute(in)
			expect(t, p, tt.want...)
			if len(p.Status.PodNotes) != 1 || p.Status.PodNotes[0].Reason != tt.note || !strings.HasSuffix(p.Status.PodNotes[0].Message, ": no") {
				t.Errorf("got the notes %v", p.Status.PodNotes)
			}
		})
	}
}

// A refusal of what an older revision asked for says nothing of this one.
func TestOlderRefusalOfAResize(t *testing.T) {
	pod := promised(t, "a")
	in := resizeInput(cloneSet(1), pod)
	in.ResizeRefusals = map[types.UID]ResizeRefusal{pod.UID: {Revision: revisionA, Message: "no", Final: true}}
	expect(t, Compute(in), "Resize a")
}

// Where a container is restarted for it, the pod is drained first; where users want new pods, it is replaced.
func TestResizeOtherThanInService(t *testing.T) {
	recreates := func(in *Input) {
		in.Set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Resources = appsv1beta1.RecreateForResources
	}
	tests := map[string]struct {
		edit func(*Input)
		pod  *corev1.Pod
		want string
	}{
		"a restart":           {restarting, small("a"), "Drain a"},
		"a restart, drained":  {restarting, small("a", testpods.Drained(testpods.Start())), "UpdateInPlace a"},
		"new pods are wanted": {recreates, small("a"), "Recreate a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := resizeInput(cloneSet(1), tt.pod)
			tt.edit(&in)
			expect(t, Compute(in), tt.want)
		})
	}
}

// A pod that is promised what a container is restarted for needs no drain before it has a node. One that got its node in the same
// moment, and serves by then, is drained as for any update: it costs what that costs.
func TestResizeIsOvertakenByTheNode(t *testing.T) {
	drained := testpods.Drained(testpods.Start())
	never := func(pod *corev1.Pod) { pod.Spec.NodeName, pod.Status.ContainerStatuses = "", nil }
	free := func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{
			{Name: "web", Drain: appsv1beta1.DrainNotRequired},
		}
	}
	tests := map[string]struct {
		set       *appsv1beta1.CloneSet
		pods      []*corev1.Pod
		want      []string
		available int32
	}{
		"it serves":                     {cloneSet(2), []*corev1.Pod{small("a"), overtaken(t, "b")}, []string{"Drain b"}, 2},
		"it is not ready":               {cloneSet(1), []*corev1.Pod{overtaken(t, "a", notReady())}, []string{"Drain a"}, 0},
		"it still has no node":          {cloneSet(1), []*corev1.Pod{overtaken(t, "a", never, notReady())}, []string{"Resize a"}, 0},
		"it needs no drain":             {cloneSet(1, free), []*corev1.Pod{overtaken(t, "a")}, []string{"Resize a"}, 1},
		"no drain, and another is down": {cloneSet(2, free), []*corev1.Pod{updated("a", notReady()), overtaken(t, "b")}, nil, 1},
		"no drain, while paused":        {cloneSet(1, free, paused), []*corev1.Pod{overtaken(t, "a")}, []string{"Resize a"}, 1},
		"old pods are down that have to go first": {
			cloneSet(3),
			[]*corev1.Pod{small("a", notReady(), drained), small("b", notReady()), overtaken(t, "c")},
			[]string{"UpdateInPlace a"},
			1,
		},
		"it is drained":                  {cloneSet(1), []*corev1.Pod{overtaken(t, "a", drained)}, []string{"UpdateInPlace a"}, 0},
		"another pod is down":            {cloneSet(2), []*corev1.Pod{updated("a", notReady()), overtaken(t, "b")}, nil, 1},
		"a surge pod is to stand in":     {cloneSet(1, surgeOf("0", "1")), []*corev1.Pod{overtaken(t, "a")}, []string{"CreatePod at web-b"}, 1},
		"nothing is updated":             {cloneSet(1, paused), []*corev1.Pod{overtaken(t, "a")}, nil, 1},
		"nothing is updated any more":    {cloneSet(1, paused), []*corev1.Pod{overtaken(t, "a", drained)}, []string{"Restore a"}, 0},
		"the partition keeps all others": {cloneSet(2, partitionOf(1)), []*corev1.Pod{small("a"), overtaken(t, "b")}, []string{"Drain b"}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := resizeInput(tt.set, tt.pods...)
			restarting(&in)
			p := Compute(in)
			expect(t, p, tt.want...)
			if int(p.Status.UpdatedReplicas) == len(tt.pods) || p.Status.AvailableReplicas != tt.available {
				t.Errorf("got %d updated and %d available", p.Status.UpdatedReplicas, p.Status.AvailableReplicas)
			}
		})
	}
}

// What was promised before the drain is promised once more after it, so that the pod stays out of service until it has it.
func TestResizeAfterItsDrain(t *testing.T) {
	in := resizeInput(cloneSet(1), overtaken(t, "a", testpods.Drained(testpods.Start())))
	restarting(&in)
	for _, want := range []string{"UpdateInPlace a", "Resize a"} {
		p := Compute(in)
		expect(t, p, want)
		if t.Failed() {
			return
		}
		patched, err := testpods.Patched(in.Pods[0], p.Actions[0].Patch)
		if err != nil {
			t.Fatal(err)
		}
		in.Pods = []*corev1.Pod{patched}
	}
	expect(t, Compute(in))
	reported(in.Pods[0])
	testpods.Run(in.Pods[0], "web", 2, "app:a")
	in.Pods[0].Status.ContainerStatuses[0].Resources = &in.Pods[0].Spec.Containers[0].Resources
	expect(t, Compute(in), "Confirm a")
}

// A pod that was drained to be restarted for what its node has no room for is replaced: it would be down until then.
func TestResizeIsDeferredOutOfService(t *testing.T) {
	in := resizeInput(cloneSet(1))
	restarting(&in)
	pod := small("a", testpods.Drained(testpods.Start()))
	target := inplace.Target{Revision: revisionB, Template: in.Revisions.Update.Template}
	change := inplace.Compare(in.Revisions.Current.Template, target.Template)
	for _, patch := range []func() []byte{
		func() []byte { return inplace.UpdatePatch(pod, target, change, inplace.Progress{}) },
		func() []byte { return inplace.ResizePatch(pod) },
	} {
		patched, err := testpods.Patched(pod, patch())
		if err != nil {
			t.Fatal(err)
		}
		pod = patched
	}
	testpods.Observe(pod)
	deferred()(pod)
	in.Pods = []*corev1.Pod{pod}
	expect(t, Compute(in), "Recreate a")
}

// The status tells in the kubelet's words which pods wait for room, and the rollout is said to stand still after a while.
func TestResizeIsToldOf(t *testing.T) {
	set := cloneSet(1)
	set.Spec.ProgressDeadlineSeconds = new(int32(600))
	p := Compute(resizeInput(set, asked(t, "a", deferred())))
	want := []appsv1beta1.PodNote{{
		Name: "a", Reason: appsv1beta1.NoteResizeDeferred, Message: "waits for room on its node: so says the kubelet",
	}}
	if diff := cmp.Diff(want, p.Status.PodNotes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == appsv1beta1.ConditionProgressing && !strings.Contains(c.Message, "a waits for room on its node: so says the kubelet") {
			t.Errorf("got the message %q", c.Message)
		}
	}
	if p.Wake != 10*time.Minute {
		t.Errorf("the deadline wakes the controller after %s", p.Wake)
	}
}
