package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// allocatable is what each node has. A pod that asks for "700m" waits for others to shrink or to go, and one that asks for "5"
// never gets it.
func allocatable() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
}

// drawResources draws what containers ask for. The one that is always left alone is never restarted for it.
func drawResources(t *rapid.T, spec *corev1.PodSpec) {
	if rapid.IntRange(0, 2).Draw(t, "resources") < 2 {
		return
	}
	if rapid.Bool().Draw(t, "resizePolicy") {
		spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{
			{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer},
		}
	}
	spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	setAmount(&spec.Containers[0], corev1.ResourceCPU, false, "100m")
	setAmount(&spec.Containers[0], corev1.ResourceMemory, true, "128Mi")
	setAmount(&spec.Containers[1], corev1.ResourceCPU, false, "50m")
}

func setAmount(c *corev1.Container, name corev1.ResourceName, limit bool, amount string) {
	list := &c.Resources.Requests
	if limit {
		list = &c.Resources.Limits
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = resource.MustParse(amount)
}

// changeResources draws an edit of what containers ask for.
func changeResources(t *rapid.T) (what string, edit func(*spec)) {
	switch rapid.SampledFrom([]string{"cpu", "cpu", "memory", "memory", "steady", "none"}).Draw(t, "resources") {
	case "cpu":
		amount := rapid.SampledFrom([]string{"100m", "200m", "300m", "700m", "5"}).Draw(t, "cpu")
		return "cpu " + amount, func(s *spec) { setAmount(&s.Template.Spec.Containers[0], corev1.ResourceCPU, false, amount) }
	case "memory":
		amount := rapid.SampledFrom([]string{"128Mi", "256Mi"}).Draw(t, "memory")
		return "memory limit " + amount, func(s *spec) { setAmount(&s.Template.Spec.Containers[0], corev1.ResourceMemory, true, amount) }
	case "steady":
		amount := rapid.SampledFrom([]string{"50m", "60m"}).Draw(t, "cpu")
		return "cpu of " + steady + " " + amount, func(s *spec) {
			setAmount(&s.Template.Spec.Containers[1], corev1.ResourceCPU, false, amount)
		}
	}
	return "no resources", func(s *spec) { s.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{} }
}

// resourcesUpdate draws how a change of resources is made.
func resourcesUpdate(t *rapid.T) func(*spec) {
	update := rapid.SampledFrom([]appsv1beta1.ResourcesUpdate{
		appsv1beta1.ResizeForResources, appsv1beta1.RecreateForResources,
	}).Draw(t, "resources")
	return func(s *spec) { inPlaceOf(s).Resources = update }
}

// resizePod gives a pod other resources by hand, as a vertical autoscaler does.
func (r *run) resizePod(pod *corev1.Pod) {
	if _, ok := pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU]; !ok {
		return
	}
	r.resized[pod.UID] = true
	_, err := r.world.Patch(pod.Name, types.StrategicMergePatchType,
		fmt.Appendf(nil, `{"spec":{"containers":[{"name":%q,"resources":{"requests":{"cpu":"150m"}}}]}}`, main), "resize")
	r.note("somebody resizes %s: %v", pod.Name, err)
}

// refuseResize takes note of why a pod could not be resized, or that it was.
func (m *manager) refuseResize(a *plan.Action, err error) {
	switch {
	case err == nil:
		delete(m.unresized, a.Pod.UID)
	case isUncertain(err) || apierrors.IsConflict(err) || apierrors.IsTooManyRequests(err):
	default:
		m.unresized[a.Pod.UID] = plan.ResizeRefusal{
			Revision: a.Pod.Labels[appsv1beta1.RevisionLabel], Message: err.Error(),
			Final: !apierrors.IsForbidden(err) || apierrors.HasStatusCause(err, "NodeCapacity"),
		}
		m.run.retry()
	}
}

// resize is I4 and I1 for containers that are restarted for other resources.
func (c *checker) resize(a *plan.Action) {
	pod := c.run.world.Pod(a.Pod.Name)
	if pod == nil || pod.UID != a.Pod.UID || pod.ResourceVersion != a.Pod.ResourceVersion || pod.Spec.NodeName == "" {
		return
	}
	names := restartedToResize(a.Patch, pod)
	if len(names) > 0 && gateOf(pod) == corev1.ConditionTrue && !c.late {
		c.availability(a)
	}
	c.outOfReach(a, pod, names)
}

// restartedToResize returns the containers whose resizePolicy has them restarted for what a patch changes.
func restartedToResize(patch []byte, pod *corev1.Pod) []string {
	var change struct{ Spec corev1.PodSpec }
	if err := json.Unmarshal(patch, &change); err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, wanted := range containersIn(&change.Spec) {
		for _, have := range containersIn(&pod.Spec) {
			restarts := func(p corev1.ContainerResizePolicy) bool {
				return p.RestartPolicy == corev1.RestartContainer &&
					(changes(wanted.Resources.Requests, have.Resources.Requests, p.ResourceName) ||
						changes(wanted.Resources.Limits, have.Resources.Limits, p.ResourceName))
			}
			if have.Name == wanted.Name && slices.ContainsFunc(have.ResizePolicy, restarts) {
				names = append(names, have.Name)
			}
		}
	}
	return names
}

func changes(wanted, have corev1.ResourceList, name corev1.ResourceName) bool {
	amount, ok := wanted[name]
	before := have[name]
	return ok && amount.Cmp(before) != 0
}

// hasResources tells whether a container that runs has what a template asks for. What somebody has changed by hand stays.
func (r *run) hasResources(pod *corev1.Pod, want *corev1.Container) bool {
	has := r.world.TrulyHas(pod.UID, want.Name)
	if has == nil || r.resized[pod.UID] || r.edited[pod.UID] || r.garbled[pod.UID] {
		return true
	}
	for name, limit := range want.Resources.Limits {
		request, asked := want.Resources.Requests[name]
		if !asked {
			request = limit
		}
		if changes(corev1.ResourceList{name: limit}, has.Limits, name) || changes(corev1.ResourceList{name: request}, has.Requests, name) {
			return false
		}
	}
	for name, request := range want.Resources.Requests {
		if changes(corev1.ResourceList{name: request}, has.Requests, name) {
			return false
		}
	}
	return true
}

// mayBeReplaced tells whether a pod was promised resources that it may never get.
func mayBeReplaced(pod *corev1.Pod) bool {
	return strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], `"resizes":`)
}
