package simulation

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	// bound is how long a rollout may take, in virtual time, once everything is in order: eight pods one by one, with the
	// longest back-off of a kubelet before each.
	bound = 2 * time.Hour
	// rest is for how long nothing is done any more when a rollout is over.
	rest = 5 * time.Minute
	// maxPasses is how many passes a rollout may take at the most; more of them run in a circle.
	maxPasses = 3000
)

// heal puts the world in order and asks for a state that can be reached.
func (r *run) heal() {
	for _, node := range r.world.Nodes() {
		r.world.RestoreNode(node.Name)
	}
	r.world.InjectFaults(nil)
	r.world.MakeRoom()
	r.fault = noFault
	r.late.pending = false
	r.manager.diesAfter = -1
	r.passes = 0
	r.history.pardon()
	if r.budgets.latest().pdb != nil {
		r.budgets.spell(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	}
	r.edit("everything is put in order", func(s *appsv1beta1.CloneSetSpec) {
		if _, ok := s.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU]; ok {
			setAmount(&s.Template.Spec.Containers[0], corev1.ResourceCPU, false, "100m")
		}
		for _, c := range containersIn(&s.Template.Spec) {
			if c.Name != steady {
				c.Image = "app:b"
			}
		}
		s.UpdateStrategy.Type = appsv1beta1.RollingUpdateStrategyType
		rolling := &s.UpdateStrategy.RollingUpdate
		rolling.Paused = false
		rolling.FailurePolicy = appsv1beta1.FailurePolicy{}
		rolling.Partition = new(intstr.FromInt32(0))
		if rolling.PodUpdatePolicy == appsv1beta1.InPlaceOnlyPodUpdatePolicy {
			rolling.PodUpdatePolicy = appsv1beta1.InPlaceIfPossiblePodUpdatePolicy
		}
	})
}

// converges waits until everything is as asked for, and then sees that it is left alone.
func (r *run) converges() { r.reaches((*run).converged) }

// reaches does so for any goal.
func (r *run) reaches(goal func(*run) bool) {
	r.passes = 0
	reached := func() bool {
		if r.passes > maxPasses {
			r.fail("I6: not as asked for after %d passes", r.passes)
		}
		return goal(r)
	}
	if !r.settle(bound, reached) {
		r.fail("I6: not as asked for after %s and %d passes; the next pass is due at %v; the status is %+v",
			bound, r.passes, r.due, r.set().Status)
		return
	}
	r.settle(time.Minute, nil) // Until those who handle hooks late have done so.
	before := r.acts
	r.settle(rest, nil)
	switch {
	case r.broken != "":
	case !goal(r):
		r.fail("I6: what was as asked for did not stay so")
	case len(r.rehearsals()) > 0:
		r.fail("I6: %s stays, and nobody needs it", r.rehearsals()[0].Name)
	case r.acts > before:
		r.fail("I6: there were %d actions when nothing was left to be done", r.acts-before)
	}
}

// converged tells whether the world is what the spec asks for, by the pods themselves.
func (r *run) converged() bool {
	set, alive := r.set(), r.owned()
	for _, pod := range alive {
		if !r.isAsAskedFor(pod) {
			return false
		}
	}
	return len(alive) == replicasOf(set) && set.Status.ObservedGeneration == set.Generation &&
		int(set.Status.UpdatedAvailableReplicas) == len(alive) && set.Status.CurrentRevision == set.Status.UpdateRevision
}

func (r *run) isAsAskedFor(pod *corev1.Pod) bool {
	for _, want := range containersIn(&r.set().Spec.Template.Spec) {
		if runs, ok := r.runsWhat(pod, want.Name, want.Image); !ok || (!runs && !r.garbled[pod.UID] && !r.isBlind()) {
			return false
		}
		if !r.hasResources(pod, want) {
			return false
		}
	}
	return isReady(pod) && gateOf(pod) == corev1.ConditionTrue && !waits(r.set(), pod) &&
		!isSpecified(r.set(), pod)
}

// report tells what happened until an invariant broke.
func (r *run) report() string {
	var pods strings.Builder
	for _, pod := range r.world.Pods() {
		fmt.Fprintf(&pods, "  %s rev=%s state=%s gate=%s ready=%v node=%s deleting=%v phase=%s finalizers=%v", pod.Name,
			pod.Labels[appsv1beta1.RevisionLabel], stateOf(pod), gateOf(pod), isReady(pod), pod.Spec.NodeName,
			pod.DeletionTimestamp != nil, pod.Status.Phase, pod.Finalizers)
		for _, c := range containersIn(&pod.Spec) {
			runs, _ := r.world.TrulyRuns(pod.UID, c.Name)
			fmt.Fprintf(&pods, " %s=%s(%s)", c.Name, c.Image, runs)
		}
		fmt.Fprintf(&pods, " claims=%v %s\n", claimsOf(pod), pod.Annotations[appsv1beta1.InPlaceStateAnnotation])
	}
	return fmt.Sprintf("%s\n%s\npods:\n%s", r.broken, strings.Join(r.log, "\n"), pods.String())
}
