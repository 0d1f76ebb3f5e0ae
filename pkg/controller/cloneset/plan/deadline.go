package plan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// applyDeadline reports a rollout that has stood still for too long. It goes on all the same as soon as it can.
func (p *planner) applyDeadline(v verdict, status *appsv1beta1.CloneSetStatus) verdict {
	before := &p.in.Set.Status
	status.LastProgressTime = before.LastProgressTime
	strategy := &p.in.Set.Spec.UpdateStrategy
	// Under OnDelete there is no update that could be paused: what is left to be done is waited for as ever.
	paused := strategy.RollingUpdate.Paused && strategy.Type != appsv1beta1.OnDeleteStrategyType
	if !v.moving || paused || v.reason == appsv1beta1.ReasonAwaitingDisruptionBudget {
		return v
	}
	last := p.afterResizes(p.lastProgress(before))
	status.LastProgressTime = &last
	deadline := p.deadline()
	left := deadline - p.in.Now.Sub(last.Time)
	switch {
	case deadline == 0:
	case left > 0:
		p.view.later(left)
	default:
		return verdict{
			metav1.ConditionFalse, appsv1beta1.ReasonProgressDeadlineExceeded,
			fmt.Sprintf("no pod has moved for %s: %s: %s%s", deadline, v.reason, v.message, p.waits()), false, true,
		}
	}
	return v
}

// deadline is for how long nothing may move. While a pod is drained, that is longer by what the spec has a drained pod wait.
func (p *planner) deadline() time.Duration {
	if p.limits.deadline == 0 {
		return 0
	}
	for m := range p.all() {
		if m.progress.Phase == inplace.PhaseDraining {
			return p.limits.deadline + p.limits.drain.Timeout + p.limits.drain.Grace
		}
	}
	return p.limits.deadline
}

// lastProgress returns when the rollout moved last. It begins to count when there is something new to be done.
func (p *planner) lastProgress(before *appsv1beta1.CloneSetStatus) metav1.Time {
	now := metav1.NewTime(p.in.Now.Truncate(time.Second))
	if before.LastProgressTime == nil || p.startsAnew(before) {
		return now
	}
	last := before.LastProgressTime.Time
	for _, list := range [][]*member{p.view.old, p.view.updated, p.leaving} {
		for _, m := range list {
			last = later(last, m.movedAt(last, p.limits.minReady), p.in.Now)
		}
	}
	for _, pod := range p.view.terminating {
		last = later(last, pod.DeletionTimestamp.Time, p.in.Now)
	}
	for _, r := range p.images.rehearsals {
		if r.proves {
			last = later(last, r.pod.CreationTimestamp.Time, p.in.Now)
		}
	}
	if last.After(p.in.Now) {
		return now // The clock was set back.
	}
	return metav1.NewTime(last)
}

// startsAnew tells whether there is something to be done that was not there to be done before.
func (p *planner) startsAnew(before *appsv1beta1.CloneSetStatus) bool {
	if before.UpdateRevision != p.failures.asked.Name || before.ObservedGeneration != p.in.Set.Generation {
		return true
	}
	progressing := meta.FindStatusCondition(before.Conditions, appsv1beta1.ConditionProgressing)
	if progressing != nil && progressing.Reason == appsv1beta1.ReasonAwaitingDisruptionBudget {
		return true
	}
	if progressing != nil && p.failures.verdict != nil && progressing.Reason == appsv1beta1.ReasonPausedByFailures {
		return true
	}
	return !meta.IsStatusConditionTrue(before.Conditions, appsv1beta1.ConditionReconciling) &&
		(progressing == nil || progressing.Reason != appsv1beta1.ReasonProgressDeadlineExceeded)
}

// movedAt returns when a pod came to where it is on its way, or something no later than since. A pod that became ready, or
// available, has come further only if it stays: one that crashes again and again becomes ready again and again. Whether it does
// takes long to find out, and is asked of few.
func (m *member) movedAt(since time.Time, minReady time.Duration) time.Time {
	moved := m.pod.CreationTimestamp.Time
	if gate := inplace.Condition(m.pod, appsv1beta1.InPlaceUpdateReady); gate != nil && gate.LastTransitionTime.After(moved) {
		moved = gate.LastTransitionTime.Time
	}
	if !m.ready || m.old {
		return moved
	}
	ready := inplace.Condition(m.pod, corev1.PodReady).LastTransitionTime.Time
	if m.available {
		ready = ready.Add(minReady)
	}
	if ready.After(since) && ready.After(moved) && !inplace.HasCrashed(m.pod) {
		moved = ready
	}
	return moved
}

// later returns the later one of two times, if it is not in the future: a node's clock may be wrong.
func later(a, b, now time.Time) time.Time {
	if b.After(a) && !b.After(now) {
		return b
	}
	return a
}
