package plan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// DrainRulesOf returns for how long a CloneSet's pods are left alone once they are drained.
func DrainRulesOf(set *appsv1beta1.CloneSet) inplace.DrainRules {
	strategy := &set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
	rules := inplace.DrainRules{Grace: seconds(strategy.GracePeriodSeconds, appsv1beta1.DefaultGracePeriodSeconds)}
	if drain := strategy.Drain; drain != nil && drain.UntilCondition != "" {
		rules.Until = corev1.PodConditionType(drain.UntilCondition)
		rules.Timeout = seconds(drain.TimeoutSeconds, appsv1beta1.DefaultDrainTimeoutSeconds)
	}
	return rules
}

func seconds(value *int32, standard int32) time.Duration {
	if value == nil {
		value = &standard
	}
	return time.Duration(*value) * time.Second
}

// takeDown takes a pod out of service, as soon as its PodDisruptionBudgets have places for it.
func (p *planner) takeDown(m *member, why string) {
	if !p.mayLeave(m) {
		return
	}
	patch := inplace.DrainPatch(m.pod, why, p.limits.drain.Until, p.in.Now)
	if p.goesUnasked(m) {
		patch = pinned(patch, m.pod)
	}
	remark := p.lastWords(m)
	p.do(Action{
		Kind: Drain, Verb: VerbPatchStatus, Pod: m.pod, Why: why + remark, Warns: remark != "", Patch: patch,
	})
}

// proceed patches a pod that is out of service, once it was left alone for as long as the rules of the drain say.
func (p *planner) proceed(m *member, to Revision, change *inplace.Change) {
	left, drained := inplace.DrainLeft(m.pod, m.seen, p.limits.drain, p.in.Now)
	released := inplace.IsReleased(m.pod, p.limits.drain.Until)
	switch {
	case !drained: // An event will tell.
		p.noteDrain(m)
	case !isManaged(m.pod): // The relabelling would make the patch conflict.
	case left > 0:
		p.view.later(left)
		if !released {
			p.note(m.pod, appsv1beta1.NoteAwaitingRelease, fmt.Sprintf("waits for its condition %s to become True, for %s at most",
				p.limits.drain.Until, p.limits.drain.Timeout))
		}
	case !released:
		p.patch(m, to, change, fmt.Sprintf("; its condition %s did not become True within %s",
			p.limits.drain.Until, p.limits.drain.Timeout))
	default:
		p.patch(m, to, change, "")
	}
	if published := p.published(m); drained && published != "" {
		p.note(m.pod, appsv1beta1.NotePublishedNotReady, published)
	}
}
