package simulation

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// failureMutants are broken in what they make of pods that fail.
func failureMutants() map[string]mutant {
	return map[string]mutant{
		"a revision is given up that is to be paused": {
			seeing(func(s *spec) { s.UpdateStrategy.RollingUpdate.FailurePolicy.Action = appsv1beta1.RollbackOnFailure }), "I11",
		},
		"a pod is replaced that is to be left alone": {
			seeing(func(s *spec) { s.UpdateStrategy.RollingUpdate.FailurePolicy.Action = appsv1beta1.RecreateOnFailure }), "I11",
		},
		"crashes do not count":                   {overlookingCrashes, "I11"},
		"what was given up is tried again":       {trustingAgain, "I11"},
		"no revision is ever given up":           {neverAgain(plan.GiveUp), "I6"},
		"what was given up is forgotten":         {forgettingFailures, "I6"},
		"what has not proven itself gets stable": {believingTheFirstMoment, "I11"},
	}
}

// overlookingCrashes takes containers that are in a crash loop for ones that are being made.
func overlookingCrashes(in plan.Input) plan.Plan {
	in.Pods = slices.Clone(in.Pods)
	for i, pod := range in.Pods {
		in.Pods[i] = pod.DeepCopy()
		for at := range pod.Status.ContainerStatuses {
			status := &in.Pods[i].Status.ContainerStatuses[at]
			status.LastTerminationState = corev1.ContainerState{}
			if status.State.Waiting != nil {
				status.State.Waiting.Reason = "ContainerCreating"
			}
		}
	}
	return plan.Compute(in)
}

// forgettingFailures has no revision look given up.
func forgettingFailures(in plan.Input) plan.Plan {
	in.Revisions.History = slices.Clone(in.Revisions.History)
	for i, revision := range in.Revisions.History {
		forgotten := *revision
		forgotten.Annotations = nil
		in.Revisions.History[i] = &forgotten
	}
	return plan.Compute(in)
}

// trustingAgain takes a revision that was given up for one that was not as soon as no pod is at it.
func trustingAgain(in plan.Input) plan.Plan {
	for _, pod := range in.Pods {
		if pod.Labels[appsv1beta1.RevisionLabel] == in.Revisions.Update.Name {
			return plan.Compute(in)
		}
	}
	return forgettingFailures(in)
}

// believingTheFirstMoment takes the update revision for the stable one as soon as all pods look available.
func believingTheFirstMoment(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	isGivenUp := func(r *appsv1.ControllerRevision) bool { return r.Annotations[appsv1beta1.FailureAnnotation] != "" }
	if int(p.Status.UpdatedAvailableReplicas) == replicasOf(in.Set) && !slices.ContainsFunc(in.Revisions.History, isGivenUp) {
		p.Status.CurrentRevision = p.Status.UpdateRevision
	}
	return p
}
