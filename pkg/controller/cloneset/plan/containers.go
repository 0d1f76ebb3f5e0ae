package plan

import (
	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// rulesOf returns what a spec says of single containers.
func rulesOf(set *appsv1beta1.CloneSet) inplace.Rules {
	rules := inplace.Rules{}
	for _, c := range set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers {
		rules[c.Name] = inplace.Rule{Priority: c.Priority, NoDrain: c.Drain == appsv1beta1.DrainNotRequired}
	}
	return rules
}

// step does what comes next on a pod whose containers have to be restarted: where none of them needs a drain, or none ever
// ran, it is patched at once, else its hook is waited for, it is drained and then patched.
func (p *planner) step(m *member, to Revision, change *inplace.Change) {
	switch {
	case p.needsNoDrain(m, change):
		if p.mayLeave(m) { // It is not ready while its containers restart.
			p.patch(m, to, change, "")
		}
	case inplace.NeverRan(m.pod): // It is relabelled first.
	case p.awaitsUpdate(m):
		p.prepareUpdate(m)
	case m.progress.InService:
		p.takeDown(m, "for the update to "+to.Name)
	default:
		p.proceed(m, to, change)
	}
}

// needsNoDrain tells whether a pod can be patched as it is: with its gate on, or before any kubelet has it. One that is
// relabelled in this pass is patched in the next: the one patch would make the other conflict.
func (p *planner) needsNoDrain(m *member, change *inplace.Change) bool {
	if !isManaged(m.pod) {
		return false
	}
	return inplace.NeverRan(m.pod) ||
		(m.progress.InService && !inplace.NeedsDrain(inplace.Restarting(change, &m.progress), p.rules))
}

// goOn patches the containers of a pod that waited for others, which run now, and tells whether it does. What was begun is
// brought to its end, paused or not: a pod between two batches is out of service.
func (p *planner) goOn(m *member) bool {
	to := p.revisionAt(m)
	if to.Template == nil || !m.progress.MayGoOn() || m.preparing() {
		return false
	}
	change, known := p.pinPending(m)
	if !known {
		return false
	}
	p.step(m, to, change)
	if !m.old {
		p.yieldSlot(m)
	}
	return true
}

// revisionAt returns the revision of a pod, without a template if nobody knows it any more.
func (p *planner) revisionAt(m *member) Revision {
	if m.revision == p.in.Revisions.Update.Name {
		return p.in.Revisions.Update
	}
	return Revision{Name: m.revision, Template: p.in.Revisions.Templates[m.revision]}
}

// confirm ends an update whose containers run.
func (p *planner) confirm(m *member) {
	verb, patch := VerbPatchStatus, inplace.ServePatch(m.pod, p.in.Now)
	if m.progress.InService {
		verb, patch = VerbPatch, inplace.ConfirmPatch(m.pod)
	}
	p.do(Action{
		Kind: Confirm, Verb: verb, Pod: m.pod, Why: "its containers run revision " + m.revision,
		Patch: inplace.WithLastUpdate(patch, m.pod, p.in.Times[m.pod.UID]),
	})
}

// isRestarting tells whether a pod may be unready in a moment, though it is in service.
func (m *member) isRestarting() bool { return m.progress.Phase == inplace.PhaseRestarting }
