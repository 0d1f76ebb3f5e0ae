package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// anyAmount draws what a container asks for, or has.
func anyAmount(t *rapid.T) corev1.ResourceRequirements {
	amount := resource.MustParse(rapid.SampledFrom([]string{"100m", "200m", "300m"}).Draw(t, "cpu"))
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: amount, "example.com/gpu": resource.MustParse("1")}}
}

// anyResizedPod draws a pod that was promised 200m of cpu, at any time since.
func anyResizedPod(t *rapid.T) *corev1.Pod {
	pod := testpods.New("web-0", testpods.Container("web", "app:a"), testpods.Serving())
	pod.Spec.Containers[0].Resources = anyAmount(t)
	old, next := template("app:a"), template("app:a")
	old.Spec.Containers[0].Resources, next.Spec.Containers[0].Resources = anyAmount(t), anyAmount(t)
	change := inplace.Compare(old, next)
	pod = mustPatch(t, pod, inplace.UpdatePatch(pod, inplace.Target{Revision: "web-b", Template: next}, change, inplace.Progress{}))
	if rapid.Bool().Draw(t, "asked for") {
		pod = mustPatch(t, pod, inplace.ResizePatch(pod))
	}
	if rapid.Bool().Draw(t, "seen") {
		testpods.Observe(pod)
	}
	status, has := testpods.Status(pod, "web"), anyAmount(t)
	status.Resources, status.AllocatedResources = &has, anyAmount(t).Requests
	if kind := rapid.SampledFrom([]corev1.PodConditionType{"", corev1.PodResizePending, corev1.PodResizeInProgress}).Draw(t, "condition"); kind != "" {
		reason := rapid.SampledFrom([]string{"", corev1.PodReasonDeferred, corev1.PodReasonInfeasible, corev1.PodReasonError}).Draw(t, "reason")
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: "in the kubelet's words",
		})
	}
	return pod
}

// The cache keeps what tells how far a resize is, and what is left to be asked for.
func TestResizeOfATrimmedPodIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := anyResizedPod(t)
		trimmed := TrimPod(pod)
		none := func(string) []string { return nil }
		full, less := inplace.ProgressOf(pod, nil, none, testpods.Start()), inplace.ProgressOf(trimmed, nil, none, testpods.Start())
		if diff := cmp.Diff(full, less); diff != "" {
			t.Fatalf("progress (-full +trimmed):\n%s", diff)
		}
		if diff := cmp.Diff(string(inplace.ResizePatch(pod)), string(inplace.ResizePatch(trimmed))); diff != "" {
			t.Fatalf("patch (-full +trimmed):\n%s", diff)
		}
	})
}
