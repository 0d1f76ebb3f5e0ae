package integration_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Somebody, or the cluster itself, does something to a pod in the middle of its update. The rollout comes to its end.
func TestDisturbedInTheMiddle(t *testing.T) {
	t.Parallel()
	deleted := func(e *env, pod *corev1.Pod) {
		e.must(e.client.Delete(e.ctx, pod))
		e.untilGone(pod)
	}
	evicted := func(e *env, pod *corev1.Pod) {
		e.editStatus(pod, func(pod *corev1.Pod) {
			pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, "Evicted"
		})
	}
	edited := func(image string) func(*env, *corev1.Pod) {
		return func(e *env, pod *corev1.Pod) {
			e.edit(pod, func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = image })
		}
	}
	corrupted := func(text string) func(*env, *corev1.Pod) {
		return func(e *env, pod *corev1.Pod) {
			e.edit(pod, func(pod *corev1.Pod) {
				metav1.SetMetaDataAnnotation(&pod.ObjectMeta, appsv1beta1.InPlaceStateAnnotation, text)
			})
		}
	}
	stripped := func(e *env, pod *corev1.Pod) {
		e.edit(pod, func(pod *corev1.Pod) { delete(pod.Annotations, appsv1beta1.InPlaceStateAnnotation) })
	}
	for name, c := range map[string]struct {
		phase   func(*corev1.Pod) bool
		disturb func(*env, *corev1.Pod)
	}{
		"deleted in its drain":                     {isDraining, deleted},
		"deleted in its restart":                   {isRestarting, deleted},
		"evicted in its drain":                     {isDraining, evicted},
		"set to the new image in its drain":        {isDraining, edited(slowImage)},
		"set to another image in its drain":        {isDraining, edited("registry.example/web:v9")},
		"set to the old image in its restart":      {isRestarting, edited(imageV1)},
		"set to another image in its restart":      {isRestarting, edited("registry.example/web:v9")},
		"state removed in its restart":             {isRestarting, stripped},
		"state made unreadable in its drain":       {isDraining, corrupted(`{"version":`)},
		"state made unreadable in its restart":     {isRestarting, corrupted(`{"version":`)},
		"state of a later manager in its restart":  {isRestarting, corrupted(`{"version":99,"records":7}`)},
		"state of another generation in its drain": {isDraining, corrupted(`{"version":1,"generation":7,"records":[{"name":"web"}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2, setGrace(2))
			e.change(setImage(slowImage), unrehearsed)
			c.disturb(e, e.untilPod("got to the middle", c.phase))
			e.untilComplete(app)
			e.untilReason(appsv1beta1.ReasonComplete, "2 of 2")
		})
	}
}

// What was changed by hand before the patch is brought to the new image all the same.
func TestHandEditedPodGetsNewImage(t *testing.T) {
	e := newEnv(t)
	e.created(2, setGrace(1))
	before := e.identities()
	e.change(setImage(imageV2))
	pod := e.untilPod("is drained", isDraining)
	e.edit(pod, func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "registry.example/web:v9" })
	e.untilComplete(app)
	e.expectCount(2, "run the new image", runs(imageV2))
	e.expectIdentities(before)
}
