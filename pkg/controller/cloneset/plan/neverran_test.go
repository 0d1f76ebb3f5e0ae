package plan

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// pending returns an old pod that no node takes. Its gate was set when it was new.
func pending(name string, options ...testpods.Option) *corev1.Pod {
	gate := testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionTrue, testpods.Start())
	return podAt(revisionA, "app:a", name, append([]testpods.Option{unscheduled, gate}, options...)...)
}

// A pod that no node takes gets no Ready condition, so that it would never be seen drained; and it would start the old image.
func TestPodThatNeverRanIsPatchedWithoutADrain(t *testing.T) {
	hooked := func(set *appsv1beta1.CloneSet) {
		set.Spec.Lifecycle = &appsv1beta1.Lifecycle{InPlaceUpdate: &appsv1beta1.LifecycleHook{FinalizersHandler: []string{"example.com/lb"}}}
	}
	off := testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, testpods.Start())
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want []string
	}{
		"its gate is on":  {cloneSet(3), []*corev1.Pod{pending("a"), old("b"), old("c")}, []string{"UpdateInPlace a"}},
		"its gate is off": {cloneSet(3), []*corev1.Pod{pending("a", off), old("b"), old("c")}, []string{"UpdateInPlace a"}},
		"its gate was never set, which comes first": {
			cloneSet(3), []*corev1.Pod{fresh("a", unscheduled), old("b"), old("c")}, []string{"Serve a"},
		},
		"with a partition": {
			cloneSet(3, partitionOf(2), maxUnavailableOf(2)), []*corev1.Pod{pending("a"), old("b"), old("c")}, []string{"UpdateInPlace a"},
		},
		"no hook is called": {
			cloneSet(1, hooked),
			[]*corev1.Pod{pending("a", func(pod *corev1.Pod) { pod.Finalizers = []string{"example.com/lb"} })},
			[]string{"UpdateInPlace a"},
		},
		"one that is relabelled is patched in the next pass": {
			cloneSet(1), []*corev1.Pod{pending("a", unlabelled)}, []string{"Relabel a"},
		},
		"one that a node has got is drained": {cloneSet(1), []*corev1.Pod{pending("a", onNode("n1"))}, []string{"Drain a"}},
		"not if the partition keeps it":      {cloneSet(1, partitionOf(1)), []*corev1.Pod{pending("a")}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, Compute(inputOf(tt.set, tt.pods...)), tt.want...) })
	}
}

// The kubelet starts what the pod asks for when it gets it. Should it get the pod before the patch, that fails.
func TestPodThatNeverRanStartsTheNewImage(t *testing.T) {
	pod := pending("a")
	p := Compute(inputOf(cloneSet(1), pod))
	expect(t, p, "UpdateInPlace a")
	bound := pod.DeepCopy()
	bound.Spec.NodeName, bound.ResourceVersion = "n1", "101"
	if _, err := testpods.Patched(bound, p.Actions[0].Patch); err == nil {
		t.Error("the patch does not notice that the pod has got a node")
	}
	pod = apply(t, pod, p.Actions[0].Patch)
	pod.Spec.NodeName, pod.Status.Phase = "n1", corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web"}}
	testpods.Run(pod, "web", 1, pod.Spec.Containers[0].Image)
	testpods.Observe(pod)
	testpods.Condition(corev1.PodReady, corev1.ConditionTrue, testpods.Start())(pod)
	p = Compute(inputOf(cloneSet(1), pod))
	expect(t, p)
	if image := pod.Spec.Containers[0].Image; image != "app:b" || p.Status.UpdatedAvailableReplicas != 1 {
		t.Errorf("got image %s and status %+v", image, p.Status)
	}
}
