package simulation

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// newerMutants are broken in surge, hooks, claims, batches, deadlines and the rest of what there is beside a plain rollout.
func newerMutants() map[string]mutant {
	return map[string]mutant{
		"a surge pod too many": {seeing(func(s *spec) {
			if surge := s.UpdateStrategy.RollingUpdate.MaxSurge; surge != nil && surge.Type == intstr.Int {
				s.UpdateStrategy.RollingUpdate.MaxSurge = new(intstr.FromInt32(surge.IntVal + 1))
			}
		}), "I2"},
		"the last endpoint is drained": {func(in plan.Input) plan.Plan {
			in.Endpoints = nil
			return plan.Compute(in)
		}, "I1"},
		"it surges while paused":              {surgingWhilePaused, "I2"},
		"it surges for labels":                {surgingForLabels, "I2"},
		"maxUnavailable is rounded up":        {roundingUp, "I1"},
		"starting pods are not counted":       {seeing(func(s *spec) { s.ScaleStrategy.MaxUnavailable = nil }), "I1"},
		"specified pods are deleted at once":  {deletingSpecified, "I1"},
		"minReadySeconds is ignored":          {seeing(func(s *spec) { s.MinReadySeconds = 0 }), "I8"},
		"the pause is ignored":                {seeing(func(s *spec) { s.UpdateStrategy.RollingUpdate.Paused = false }), "I3"},
		"OnDelete is ignored":                 {seeing(func(s *spec) { s.UpdateStrategy.Type = "" }), "I3"},
		"new pods forget the partition":       {newPodsAtUpdate, "I3"},
		"the grace period is ignored":         {seeing(func(s *spec) { inPlaceOf(s).GracePeriodSeconds = new(int32) }), "I4"},
		"the load balancer is not waited for": {seeing(func(s *spec) { inPlaceOf(s).Drain = nil }), "I4"},
		"no container needs a drain":          {seeing(neverDraining), "I4"},
		"the hook of the update is skipped":   {skipping(func(l *appsv1beta1.Lifecycle) { l.InPlaceUpdate = nil }), "I4"},
		"the hook of the deletion is skipped": {skipping(func(l *appsv1beta1.Lifecycle) { l.PreDelete = nil }), "I4"},
		"no hook is waited for at all":        {skipping(func(l *appsv1beta1.Lifecycle) { *l = appsv1beta1.Lifecycle{} }), "I4"},
		"the claim of a live pod is deleted":  {deletingClaims, "I5"},
		"claims go with a replaced pod":       {seeing(func(s *spec) { s.ScaleStrategy.EnablePVCReuse = false }), "I5"},
		"the second batch is lost":            {losingBatches, "I8"},
		"completion is believed too early":    {completing, "I8"},
		"unready pods are counted available":  {countingAvailable, "I8"},
		"a drain is done over again":          {drainingAgain, "I6"},
		"surge pods stay":                     {neverAgain(plan.ScaleIn), "I6"},
		"surge pods are not told from others": {forgettingSurge, "I5"},
		"a pause holds up scaling in":         {pausingScaleIn, "I6"},
		"a pod that waits is never announced": {neverAgain(plan.PrepareUpdate), "I6"},
		"the label is not given back":         {neverAgain(plan.Relabel), "I6"},
		"a claim is never made":               {neverAgain(plan.CreateClaim), "I6"},
	}
}

// seeing returns a planner that sees another spec than the one that is checked.
func seeing(change func(*spec)) planner {
	return func(in plan.Input) plan.Plan {
		in.Set = in.Set.DeepCopy()
		change(&in.Set.Spec)
		return plan.Compute(in)
	}
}

func skipping(change func(*appsv1beta1.Lifecycle)) planner {
	return seeing(func(s *spec) {
		if s.Lifecycle != nil {
			change(s.Lifecycle)
		}
	})
}

func neverDraining(s *spec) {
	var all []appsv1beta1.ContainerUpdate
	for _, c := range containersIn(&s.Template.Spec) {
		all = append(all, appsv1beta1.ContainerUpdate{Name: c.Name, Drain: appsv1beta1.DrainNotRequired})
	}
	inPlaceOf(s).Containers = all
}

func surgingWhilePaused(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	if in.Set.Spec.UpdateStrategy.RollingUpdate.Paused {
		going := seeing(func(s *spec) { s.UpdateStrategy.RollingUpdate.Paused = false })(in)
		p.Actions = append(p.Actions, slices.DeleteFunc(going.Actions, func(a plan.Action) bool {
			return a.Kind != plan.CreatePod || slices.ContainsFunc(p.Actions, func(b plan.Action) bool { return b.Name() == a.Name() })
		})...)
	}
	return p
}

// surgingForLabels takes every old pod for one that goes down.
func surgingForLabels(in plan.Input) plan.Plan {
	if maxSurgeOf(in.Set) == 0 {
		return plan.Compute(in)
	}
	update := in.Revisions.Update.Template.DeepCopy()
	update.Spec.Containers[0].Image += "-other"
	changed := in
	changed.Revisions.Update.Template = update
	p, other := plan.Compute(in), plan.Compute(changed)
	for _, a := range other.Actions {
		if a.Kind == plan.CreatePod && !slices.ContainsFunc(p.Actions, func(b plan.Action) bool { return b.Name() == a.Name() }) {
			a.Pod.Spec.Containers[0].Image = in.Revisions.Update.Template.Spec.Containers[0].Image
			p.Actions = append(p.Actions, a)
		}
	}
	return p
}

func roundingUp(in plan.Input) plan.Plan {
	return plan.Compute(with(in, func(r *appsv1beta1.RollingUpdate) {
		if maxSurgeOf(in.Set) > 0 {
			r.MaxUnavailable = new(intstr.FromInt(evaluate(*r.MaxUnavailable, replicasOf(in.Set), math.Ceil)))
		}
	}))
}

func deletingSpecified(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	for _, pod := range in.Pods {
		acted := slices.ContainsFunc(p.Actions, func(a plan.Action) bool { return a.Pod != nil && a.Pod.UID == pod.UID })
		if isAlive(pod) && isSpecified(in.Set, pod) && !acted && in.Set.Spec.Lifecycle == nil {
			p.Actions = append(p.Actions, plan.Action{Kind: plan.DeleteSpecified, Verb: plan.VerbDelete, Pod: pod, Why: "at once"})
		}
	}
	return p
}

func newPodsAtUpdate(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	for i := range p.Actions {
		if p.Actions[i].Kind == plan.CreatePod {
			p.Actions[i].Pod.Labels[appsv1beta1.RevisionLabel] = in.Revisions.Update.Name
		}
	}
	return p
}

func deletingClaims(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	for _, claim := range in.Claims {
		if claim.DeletionTimestamp == nil {
			p.Actions = append(p.Actions, plan.Action{Kind: plan.DeleteClaim, Verb: plan.VerbDelete, Claim: claim, Why: "why not"})
		}
	}
	return p
}

// losingBatches forgets the containers that were to be patched after others.
func losingBatches(in plan.Input) plan.Plan {
	in.Pods = slices.Clone(in.Pods)
	for i, pod := range in.Pods {
		state := inplace.ReadState(pod)
		if state == nil || len(state.Pending) == 0 {
			continue
		}
		quoted := make([]string, len(state.Pending))
		for j, name := range state.Pending {
			quoted[j] = fmt.Sprintf("%q", name)
		}
		in.Pods[i] = pod.DeepCopy()
		in.Pods[i].Annotations = maps.Clone(pod.Annotations)
		pending := `"pending":[` + strings.Join(quoted, ",") + `]`
		text := strings.Replace(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], pending, `"pending":[]`, 1)
		in.Pods[i].Annotations[appsv1beta1.InPlaceStateAnnotation] = text
	}
	return plan.Compute(in)
}

func completing(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	if int(p.Status.UpdatedReplicas) == replicasOf(in.Set) {
		p.Status.CurrentRevision = p.Status.UpdateRevision
	}
	return p
}

func countingAvailable(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	p.Status.AvailableReplicas = p.Status.Replicas
	return p
}

// forgettingSurge takes surge pods for pods like the others.
func forgettingSurge(in plan.Input) plan.Plan {
	in.Pods = slices.Clone(in.Pods)
	for i, pod := range in.Pods {
		in.Pods[i] = pod.DeepCopy()
		delete(in.Pods[i].Labels, appsv1beta1.SurgeLabel)
	}
	return plan.Compute(in)
}

func pausingScaleIn(in plan.Input) plan.Plan {
	if !in.Set.Spec.UpdateStrategy.RollingUpdate.Paused {
		return plan.Compute(in)
	}
	return neverAgain(plan.ScaleIn)(in)
}

// drainingAgain takes pods out of service that were just updated.
func drainingAgain(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	if len(p.Actions) > 0 {
		return p
	}
	for _, pod := range in.Pods {
		if isAlive(pod) && gateOf(pod) == corev1.ConditionTrue && inplace.ReadState(pod) != nil && maxUnavailableOf(in.Set) > 0 {
			p.Actions = append(p.Actions, plan.Action{
				Kind: plan.Drain, Verb: plan.VerbPatchStatus, Pod: pod, Patch: inplace.DrainPatch(pod, "over again", "", in.Now), Why: "over again",
			})
			return p
		}
	}
	return p
}
