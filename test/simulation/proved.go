package simulation

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// proved is I9: the node of a pod has the images that are patched into it, by the node itself. Where nobody asks for that, or
// it is not to be waited for, nothing is checked; nor where somebody has edited pods by hand, since what these ran is not
// what they seem to have run.
func (c *checker) proved(a *plan.Action) {
	pod := c.run.world.Pod(a.Pod.Name)
	rehearsal := c.set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal
	if pod == nil || pod.UID != a.Pod.UID || pod.ResourceVersion != a.Pod.ResourceVersion || pod.Spec.NodeName == "" ||
		rehearsal.Policy == appsv1beta1.RehearseNever || rehearsal.WhenImpossible == appsv1beta1.ProceedWhenImpossible ||
		c.run.someEdited(pod.Spec.NodeName) {
		return
	}
	images := imagesOf(a.Patch)
	for _, name := range restarted(a.Patch, pod) {
		if !isPending(pod, name) && !c.run.world.HasImage(pod.Spec.NodeName, images[name]) {
			c.run.fail("I9: %s, and %s does not have %s", a, pod.Spec.NodeName, images[name])
		}
	}
}

// isPending tells whether a container was left to be patched by an update that was begun: its image was proved then, or it
// was not to be.
func isPending(pod *corev1.Pod, name string) bool {
	_, pending, _ := strings.Cut(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], `"pending":`)
	return strings.Contains(pending, `"`+name+`"`)
}

// imagesOf returns the images of a patch, by container.
func imagesOf(patch []byte) map[string]string {
	var change struct{ Spec corev1.PodSpec }
	images := map[string]string{}
	if json.Unmarshal(patch, &change) == nil {
		for _, container := range containersIn(&change.Spec) {
			images[container.Name] = container.Image
		}
	}
	return images
}

// someEdited tells whether somebody has edited a pod of a node by hand.
func (r *run) someEdited(node string) bool {
	for _, pod := range r.world.Pods() {
		if r.edited[pod.UID] && pod.Spec.NodeName == node {
			return true
		}
	}
	return false
}
