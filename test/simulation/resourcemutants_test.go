package simulation

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// resourceMutants are broken in what they do about resources.
func resourceMutants() map[string]mutant {
	return map[string]mutant{
		"resources are promised, and never asked for":                {neverAgain(plan.Resize), "I6"},
		"resources are believed to be there when they are asked for": {believingResizes, "I8"},
		"a container is restarted for resources without a drain":     {withoutResizePolicies, "I4"},
	}
}

// believingResizes has every kubelet report what its pod asks for.
func believingResizes(in plan.Input) plan.Plan {
	in.Pods = slices.Clone(in.Pods)
	for i, pod := range in.Pods {
		if !strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], `"resizes":`) {
			continue
		}
		in.Pods[i] = pod.DeepCopy()
		status := &in.Pods[i].Status
		status.ObservedGeneration = pod.Generation
		status.Conditions = slices.DeleteFunc(status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress
		})
		for _, statuses := range [][]corev1.ContainerStatus{status.ContainerStatuses, status.InitContainerStatuses} {
			for j := range statuses {
				for _, c := range containersIn(&pod.Spec) {
					if c.Name == statuses[j].Name {
						statuses[j].Resources = c.Resources.DeepCopy()
					}
				}
			}
		}
	}
	return plan.Compute(in)
}

// withoutResizePolicies does not know which containers of the pods that it makes are restarted for other resources.
func withoutResizePolicies(in plan.Input) plan.Plan {
	known := in.Revisions.Templates
	templates := map[string]*corev1.PodTemplateSpec{}
	for name, template := range in.Revisions.Templates {
		templates[name] = template.DeepCopy()
		for _, c := range containersIn(&templates[name].Spec) {
			c.ResizePolicy = nil
		}
	}
	in.Revisions.Templates = templates
	for _, r := range []*plan.Revision{&in.Revisions.Update, &in.Revisions.Current} {
		if templates[r.Name] != nil {
			r.Template = templates[r.Name]
		}
	}
	p := plan.Compute(in)
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Kind != plan.CreatePod {
			continue
		}
		if template := known[a.Pod.Labels[appsv1beta1.RevisionLabel]]; template != nil {
			a.Pod.Spec.Containers[0].ResizePolicy = template.Spec.Containers[0].ResizePolicy
		}
	}
	return p
}
