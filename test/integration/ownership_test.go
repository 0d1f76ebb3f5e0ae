package integration_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// Two CloneSets with the same selector: each keeps to the pods that it made.
func TestOverlappingSelectors(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	before := e.identities()
	other := e.cloneSet("other", 3)
	other.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{framework.AppLabel: app}}
	other.Spec.Template.Labels = map[string]string{framework.AppLabel: app}
	e.must(e.client.Create(e.ctx, other))
	e.untilComplete(other.Name)
	e.untilComplete(app)
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectCount(2, "run the new image", runs(imageV2))
	after := e.identities()
	for name, pod := range before {
		if after[name] != pod {
			t.Errorf("pod %s is not the same as before", name)
		}
	}
	owned := e.count(func(pod *corev1.Pod) bool { return metav1.IsControlledBy(pod, other) })
	if owned != 3 || len(after) != 5 {
		t.Errorf("the second CloneSet owns %d of %d pods, want 3 of 5", owned, len(after))
	}
}

// A CloneSet that is deleted in the middle of a drain, and whose pods are to stay, leaves none out of service.
func TestOrphansInTheMiddleOfDrain(t *testing.T) {
	e := newEnv(t)
	e.created(2, setGrace(forEver))
	before := e.identities()
	e.change(setImage(imageV2))
	drained := e.untilPod("is drained", isDraining)
	e.must(e.client.Delete(e.ctx, e.view.CloneSet(app), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	e.untilKnown(drained, "is back in service without an owner", func(pod *corev1.Pod) bool {
		return framework.InServiceByGate(pod) && framework.IsReady(pod) && len(pod.OwnerReferences) == 0
	})
	e.expectIdentities(before)
	e.expectCount(2, "run the old image", runs(imageV1))
}

func TestCascadingDeletionTakesPodsAlong(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	e.must(e.client.Delete(e.ctx, e.view.CloneSet(app)))
	e.until(func() (bool, string) { return len(e.view.Pods(app)) == 0, "pods are left" })
}

// A pod that is taken out of the CloneSet by its labels, as one does to look into it, is released and replaced.
func TestReleasesRelabelledPodInTheMiddle(t *testing.T) {
	e := newEnv(t)
	e.created(2, setGrace(forEver))
	e.change(setImage(imageV2))
	drained := e.untilPod("is drained", isDraining)
	e.edit(drained, func(pod *corev1.Pod) { pod.Labels[framework.AppLabel] = "looked-into" })
	e.untilKnown(drained, "is released", func(pod *corev1.Pod) bool {
		return len(pod.OwnerReferences) == 0 && framework.InServiceByGate(pod)
	})
	e.change(setGrace(0))
	e.untilComplete(app)
	e.expectCount(2, "run the new image", runs(imageV2))
	if pod := e.view.Pod(drained.Name); pod == nil || !runs(imageV1)(pod) {
		t.Errorf("the released pod was changed: %v", pod)
	}
}

// The label by which the manager finds its pods comes back when it is taken off; the pod is not replaced meanwhile.
func TestLabelComesBack(t *testing.T) {
	t.Parallel()
	for name, phase := range map[string]func(*corev1.Pod) bool{
		"in service":                 runs(imageV1),
		"in the middle of a drain":   isDraining,
		"in the middle of an update": isRestarting,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2, setGrace(1))
			before := e.identities()
			e.change(setImage(slowImage), unrehearsed)
			pod := e.untilPod("got to the middle", phase)
			e.edit(pod, func(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) })
			e.untilKnown(pod, "has its label back", func(pod *corev1.Pod) bool {
				return pod.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
			})
			e.untilComplete(app)
			e.expectIdentities(before)
			if created := e.podWrites()["create"]; created != 2 {
				t.Errorf("%d pods were created, want 2", created)
			}
		})
	}
}

// A pod that was there before, with labels that match, belongs to somebody else.
func TestLeavesForeignPodAlone(t *testing.T) {
	e := newEnv(t)
	foreign := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "foreign", Labels: map[string]string{framework.AppLabel: app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: imageV1}}},
	}
	e.must(e.client.Create(e.ctx, foreign))
	e.created(2, setMaxUnavailable(intstr.FromString("100%")))
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.untilKnown(foreign, "is as it was", func(pod *corev1.Pod) bool {
		return len(pod.OwnerReferences) == 0 && pod.Spec.Containers[0].Image == imageV1
	})
}
