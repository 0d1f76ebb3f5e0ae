package simulation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// rehearsalMutants are broken in what they know of images.
func rehearsalMutants() map[string]mutant {
	return map[string]mutant{
		"images are not rehearsed":                                 {seeing(func(s *spec) { inPlaceOf(s).Rehearsal.Policy = appsv1beta1.RehearseNever }), "I9"},
		"an image is believed to be there when its pull has begun": {believingPulls, "I9"},
		"the images of another node are believed to be there":      {believingNeighbours, "I9"},
		"nothing is ever rehearsed":                                {neverAgain(plan.Rehearse), "I6"},
		"rehearsals stay":                                          {neverAgain(plan.EndRehearsal), "I6"},
	}
}

// believingPulls takes every rehearsal for one that is done.
func believingPulls(in plan.Input) plan.Plan {
	in.Rehearsals = slices.Clone(in.Rehearsals)
	for i, pod := range in.Rehearsals {
		in.Rehearsals[i] = pod.DeepCopy()
		in.Rehearsals[i].Status.ContainerStatuses = nil
		for _, c := range pod.Spec.Containers {
			in.Rehearsals[i].Status.ContainerStatuses = append(in.Rehearsals[i].Status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "StartError"}},
			})
		}
	}
	return plan.Compute(in)
}

// believingNeighbours takes all pods to be on one node.
func believingNeighbours(in plan.Input) plan.Plan {
	in.Pods, in.Rehearsals = slices.Clone(in.Pods), slices.Clone(in.Rehearsals)
	for _, pods := range [][]*corev1.Pod{in.Pods, in.Rehearsals} {
		for i, pod := range pods {
			if pod.Spec.NodeName != "" {
				pods[i] = pod.DeepCopy()
				pods[i].Spec.NodeName = "node-0"
			}
		}
	}
	return plan.Compute(in)
}
