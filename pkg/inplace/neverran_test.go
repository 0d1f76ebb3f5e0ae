package inplace_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// waitsForANode makes the pod one that the scheduler has found no node for: nobody has written a status of containers.
func waitsForANode(pod *corev1.Pod) {
	pod.Spec.NodeName = ""
	pod.Status.Phase, pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses = corev1.PodPending, nil, nil
	pod.Status.ObservedGeneration = 0
}

func TestNeverRan(t *testing.T) {
	tests := map[string]struct {
		change testpods.Option
		want   bool
	}{
		"it runs":                     {func(*corev1.Pod) {}, false},
		"it has no node":              {waitsForANode, true},
		"it has one since":            {func(pod *corev1.Pod) { waitsForANode(pod); pod.Spec.NodeName = "node-1" }, false},
		"a kubelet tells of its past": {func(pod *corev1.Pod) { pod.Spec.NodeName = "" }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.NeverRan(testpods.New("a", testpods.Container("web", "app:a"), tt.change)); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// Nothing of it is waited for: the images are patched together, nothing is recorded, and what starts then is what was asked
// for. Whatever was left on the pod does not keep it out of service.
func TestPodThatNeverRanIsPatchedAtOnce(t *testing.T) {
	gate := func(status corev1.ConditionStatus) testpods.Option {
		return testpods.Condition(appsv1beta1.InPlaceUpdateReady, status, testpods.Start())
	}
	state := func(pod *corev1.Pod) {
		pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: `{"version":1,"revision":"b","generation":1,` +
			`"inService":true,"records":[{"name":"web","image":"app:0"}],"pending":["log"]}`}
	}
	tests := map[string]struct {
		options []testpods.Option
		want    inplace.Phase
	}{
		"its gate is on":          {[]testpods.Option{gate(corev1.ConditionTrue)}, inplace.PhaseInService},
		"its gate is off":         {[]testpods.Option{gate(corev1.ConditionFalse)}, inplace.PhaseDraining},
		"its gate was never set":  {nil, inplace.PhaseNew},
		"on, and patched before":  {[]testpods.Option{gate(corev1.ConditionTrue), state}, inplace.PhaseInService},
		"off, and patched before": {[]testpods.Option{gate(corev1.ConditionFalse), state}, inplace.PhaseDraining},
	}
	before, after := webAndLog("app:a", "log:a"), webAndLog("app:b", "log:b")
	target := inplace.Target{Revision: "web-b", Template: after, Rules: inplace.Rules{"web": {Priority: 10}}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := testpods.New("a", append([]testpods.Option{
				testpods.Container("web", "app:a"), testpods.Container("log", "log:a"), waitsForANode,
			}, tt.options...)...)
			progress := inplace.ProgressOf(pod, nil, none, testpods.Start())
			patch := inplace.UpdatePatch(pod, target, inplace.Compare(before, after), progress)
			if !strings.Contains(string(patch), `"resourceVersion":"100"`) {
				t.Errorf("a kubelet may get the pod before the patch: %s", patch)
			}
			pod = mustPatch(t, pod, patch)
			if web, log := pod.Spec.Containers[0].Image, pod.Spec.Containers[1].Image; web != "app:b" || log != "log:b" {
				t.Errorf("got images %s and %s", web, log)
			}
			pod.Spec.NodeName, pod.Status.Phase = "node-1", corev1.PodRunning
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web"}, {Name: "log"}}
			testpods.Observe(pod)
			testpods.Run(pod, "web", 1, "app:b")
			testpods.Run(pod, "log", 1, "log:b")
			progress = inplace.ProgressOf(pod, (*inplace.Sighting)(nil).See(pod, testpods.Start()), none, testpods.Start().Add(time.Second))
			if progress.Phase != tt.want || len(progress.Unconfirmed)+len(progress.Pending) > 0 || progress.Wait != 0 {
				t.Errorf("got %+v, want phase %s and nothing to wait for", progress, tt.want)
			}
		})
	}
}

func none(string) []string { return nil }

func webAndLog(web, log string) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{}
	t.Spec.Containers = []corev1.Container{{Name: "web", Image: web}, {Name: "log", Image: log}}
	return t
}
