package inplace_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// resizable returns a pod with some cpu and memory, which its kubelet reports.
func resizable(options ...testpods.Option) *corev1.Pod {
	return testpods.New("web-a", append([]testpods.Option{
		testpods.Container("web", "web:1"), has(of{"cpu": "100m", "memory": "64Mi"}, of{"memory": "128Mi"}),
	}, options...)...)
}

// has gives the container web resources, in its spec and in its status.
func has(requests, limits of) testpods.Option {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: listOf(requests), Limits: listOf(limits)}
		report(pod)
	}
}

// report is the kubelet reporting what the pod asks for.
func report(pod *corev1.Pod) {
	testpods.Observe(pod)
	status := testpods.Status(pod, "web")
	status.Resources = pod.Spec.Containers[0].Resources.DeepCopy()
	status.AllocatedResources = status.Resources.Requests
}

// resized returns the pod after the patch that promises it other resources.
func resized(t *testing.T, pod *corev1.Pod, to amounts, edits ...func(*corev1.PodTemplateSpec)) *corev1.Pod {
	t.Helper()
	old := &corev1.PodTemplateSpec{Spec: *pod.Spec.DeepCopy()}
	next := old.DeepCopy()
	next.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: listOf(to.requests), Limits: listOf(to.limits)}
	for _, edit := range edits {
		edit(old)
		edit(next)
	}
	target := inplace.Target{Revision: "web-b", Template: next}
	return patchOf(t, pod, inplace.UpdatePatch(pod, target, inplace.Compare(old, next), phaseOf(pod)))
}

func patchOf(t *testing.T, pod *corev1.Pod, patch []byte) *corev1.Pod {
	t.Helper()
	patched, err := testpods.Patched(pod, patch)
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func phaseOf(pod *corev1.Pod) inplace.Progress {
	return inplace.ProgressOf(pod, nil, func(string) []string { return nil }, testpods.Start())
}

// more is what pods of these tests are promised.
func more() amounts {
	return amounts{requests: of{"cpu": "200m", "memory": "64Mi"}, limits: of{"memory": "128Mi"}}
}

// A pod in service is promised other resources, asked for them, and said to have them when its kubelet reports them.
func TestResizeInService(t *testing.T) {
	pod := resized(t, resizable(testpods.Serving()), more())
	expectResize(t, "promised", pod, inplace.PhaseInService, inplace.ResizeToAsk)
	if asks := inplace.Asks(pod); !slices.Equal(asks, []string{"requests.cpu of web to 200m"}) {
		t.Errorf("it asks for %q", asks)
	}
	pod = patchOf(t, pod, inplace.ResizePatch(pod))
	expectResize(t, "asked for", pod, inplace.PhaseInService, inplace.ResizeInProgress)
	report(pod)
	expectResize(t, "reported", pod, inplace.PhaseInService, inplace.ResizeDone)
	pod = patchOf(t, pod, inplace.ConfirmPatch(pod))
	expectResize(t, "confirmed", pod, inplace.PhaseInService, inplace.ResizeNone)

	// Whoever changes it after that is left alone.
	pod.Spec.Containers[0].Resources.Requests = listOf(of{"cpu": "100m", "memory": "64Mi"})
	pod.Generation++
	expectResize(t, "changed by somebody", pod, inplace.PhaseInService, inplace.ResizeNone)
}

// A container that is restarted for it keeps the pod out of service until it runs with what was asked for.
func TestResizeByRestart(t *testing.T) {
	pod := resized(t, resizable(testpods.Drained(testpods.Start())), more(), restartFor("cpu"))
	expectResize(t, "promised", pod, inplace.PhaseRestarting, inplace.ResizeToAsk)
	pod = patchOf(t, pod, inplace.ResizePatch(pod))
	testpods.Observe(pod)
	expectResize(t, "seen", pod, inplace.PhaseRestarting, inplace.ResizeInProgress)
	ended := testpods.Status(pod, "web").ContainerID
	testpods.Run(pod, "web", 2, "web:1")
	testpods.Status(pod, "web").LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: ended}
	report(pod)
	expectResize(t, "restarted", pod, inplace.PhaseRestarted, inplace.ResizeDone)
	if inplace.HasCrashed(pod) {
		t.Error("the restart is taken for a crash")
	}
	pod = patchOf(t, pod, inplace.ServePatch(pod, testpods.Start()))
	expectResize(t, "back", pod, inplace.PhaseInService, inplace.ResizeNone)
}

func expectResize(t *testing.T, when string, pod *corev1.Pod, phase inplace.Phase, resize inplace.ResizePhase) {
	t.Helper()
	if p := phaseOf(pod); p.Phase != phase || p.Resize.Phase != resize {
		t.Errorf("%s: got %s, %q, want %s, %q", when, p.Phase, p.Resize.Phase, phase, resize)
	}
}

// pendingFor has the kubelet say why it does not resize the pod, of the generation that it has seen.
func resizeCondition(kind corev1.PodConditionType, reason string) testpods.Option {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: "says the kubelet", ObservedGeneration: pod.Generation,
		})
	}
}

func TestHowFarAResizeIs(t *testing.T) {
	observed := testpods.Option(testpods.Observe)
	tests := map[string]struct {
		options []testpods.Option
		want    inplace.ResizePhase
		message string
	}{
		"not seen": {nil, inplace.ResizeInProgress, ""},
		"not seen, and refused before": {
			[]testpods.Option{resizeCondition(corev1.PodResizePending, corev1.PodReasonInfeasible)}, inplace.ResizeInProgress, "",
		},
		"seen":     {[]testpods.Option{observed}, inplace.ResizeInProgress, ""},
		"reported": {[]testpods.Option{report}, inplace.ResizeDone, ""},
		"allotted, and reported as the runtime rounds it": {
			[]testpods.Option{report, func(pod *corev1.Pod) {
				testpods.Status(pod, "web").Resources.Requests = listOf(of{"cpu": "199m"})
			}}, inplace.ResizeDone, "",
		},
		"reported by a kubelet that tells no generation": {
			[]testpods.Option{report, func(pod *corev1.Pod) { pod.Status.ObservedGeneration = 0 }}, inplace.ResizeDone, "",
		},
		"rounded by one": {
			[]testpods.Option{report, func(pod *corev1.Pod) {
				pod.Status.ObservedGeneration = 0
				testpods.Status(pod, "web").Resources.Requests = listOf(of{"cpu": "199m"})
			}}, inplace.ResizeInProgress, "",
		},
		"no room": {
			[]testpods.Option{observed, resizeCondition(corev1.PodResizePending, corev1.PodReasonDeferred)},
			inplace.ResizeDeferred, "says the kubelet",
		},
		"never": {
			[]testpods.Option{observed, resizeCondition(corev1.PodResizePending, corev1.PodReasonInfeasible)},
			inplace.ResizeInfeasible, "says the kubelet",
		},
		"under way": {[]testpods.Option{report, resizeCondition(corev1.PodResizeInProgress, "")}, inplace.ResizeInProgress, ""},
		"failed": {
			[]testpods.Option{observed, resizeCondition(corev1.PodResizeInProgress, corev1.PodReasonError)},
			inplace.ResizeFailed, "says the kubelet",
		},
		"changed by somebody meanwhile": {
			[]testpods.Option{has(of{"cpu": "150m", "memory": "64Mi"}, of{"memory": "128Mi"})}, inplace.ResizeDone, "",
		},
		"no node yet": {
			[]testpods.Option{func(pod *corev1.Pod) { pod.Spec.NodeName, pod.Status.ContainerStatuses = "", nil }}, inplace.ResizeDone, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := resized(t, resizable(testpods.Serving()), more())
			pod = patchOf(t, pod, inplace.ResizePatch(pod))
			for _, option := range tt.options {
				option(pod)
			}
			p := phaseOf(pod)
			if p.Resize.Phase != tt.want || p.Resize.Message != tt.message || p.Phase != inplace.PhaseInService {
				t.Errorf("got %s, %q, %q, want %q, %q", p.Phase, p.Resize.Phase, p.Resize.Message, tt.want, tt.message)
			}
		})
	}
}

// The way back asks for what there was before, whether or not the way there was asked for, and a further change keeps what is
// not done.
func TestResizeIsOvertaken(t *testing.T) {
	before := amounts{requests: of{"cpu": "100m", "memory": "64Mi"}, limits: of{"memory": "128Mi"}}
	promised := resized(t, resizable(testpods.Serving()), more())
	asked := patchOf(t, promised, inplace.ResizePatch(promised))

	back := way(t, promised, more(), before)
	expectResize(t, "back before it was asked for", back, inplace.PhaseInService, inplace.ResizeDone)
	back = way(t, asked, more(), before)
	expectResize(t, "back", back, inplace.PhaseInService, inplace.ResizeToAsk)
	if patch := string(inplace.ResizePatch(back)); !strings.Contains(patch, `"cpu":"100m"`) || strings.Contains(patch, "memory") {
		t.Errorf("the way back is %s", patch)
	}

	further := more()
	further.limits = of{"memory": "256Mi"}
	both := way(t, promised, more(), further)
	want := []string{"requests.cpu of web to 200m", "limits.memory of web to 256Mi"}
	if asks := inplace.Asks(both); !slices.Equal(asks, want) {
		t.Errorf("it asks for %q, want %q", asks, want)
	}
}

// way patches a pod from what one template asks for to what another one does.
func way(t *testing.T, pod *corev1.Pod, from, to amounts) *corev1.Pod {
	t.Helper()
	old, next := from.template(), to.template()
	target := inplace.Target{Revision: "web-c", Template: next}
	return patchOf(t, pod, inplace.UpdatePatch(pod, target, inplace.Compare(old, next), phaseOf(pod)))
}

// A drained pod is not kept out of service for what its node has no room for, unless a container is to be restarted for it.
func TestResizeAndService(t *testing.T) {
	tests := map[string]struct {
		edits []func(*corev1.PodTemplateSpec)
		state testpods.Option
		want  inplace.Phase
	}{
		"under way":             {nil, resizeCondition(corev1.PodResizeInProgress, ""), inplace.PhaseRestarting},
		"no room":               {nil, resizeCondition(corev1.PodResizePending, corev1.PodReasonDeferred), inplace.PhaseRestarted},
		"failed":                {nil, resizeCondition(corev1.PodResizeInProgress, corev1.PodReasonError), inplace.PhaseRestarted},
		"no room for a restart": {restarting(), resizeCondition(corev1.PodResizePending, corev1.PodReasonDeferred), inplace.PhaseRestarting},
		"never, with a restart": {restarting(), resizeCondition(corev1.PodResizePending, corev1.PodReasonInfeasible), inplace.PhaseRestarted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := resized(t, resizable(testpods.Drained(testpods.Start())), more(), tt.edits...)
			pod = patchOf(t, pod, inplace.ResizePatch(pod))
			testpods.Observe(pod)
			tt.state(pod)
			if got := phaseOf(pod).Phase; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func restarting() []func(*corev1.PodTemplateSpec) {
	return []func(*corev1.PodTemplateSpec){restartFor("cpu")}
}

// What the API server refuses for good keeps nothing out of service.
func TestRefusedResize(t *testing.T) {
	pod := resized(t, resizable(testpods.Drained(testpods.Start())), more(), restartFor("cpu"))
	p := phaseOf(pod)
	p.Refused("invalid")
	if p.Phase != inplace.PhaseRestarted || p.Resize.Phase != inplace.ResizeInfeasible || p.Resize.Message != "invalid" {
		t.Errorf("got %s, %+v", p.Phase, p.Resize)
	}
}

// A container that is restarted for its resources needs its image as much as one that gets another.
func TestResizeNeedsTheImageOfWhatItRestarts(t *testing.T) {
	before, after := amounts{requests: of{"cpu": "1"}}, amounts{requests: of{"cpu": "2"}}
	for restarts, edits := range map[bool][]func(*corev1.PodTemplateSpec){true: restarting(), false: nil} {
		target := inplace.Target{Template: after.template(edits...)}
		needs := inplace.Needs(resizable(), target, inplace.Compare(before.template(edits...), target.Template), inplace.Progress{})
		if got := len(needs) == 1 && needs[0].Name == "web"; got != restarts {
			t.Errorf("restarts %v: it needs %v", restarts, needs)
		}
	}
}
