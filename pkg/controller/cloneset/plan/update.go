package plan

import (
	"fmt"
	"strings"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// update brings old pods to the update revision, as many as quota, budget and slots allow.
func (p *planner) update() {
	quota := len(p.view.old) - p.keep
	if p.in.Set.Spec.UpdateStrategy.RollingUpdate.Paused {
		quota = 0
	}
	if quota > 0 {
		byUpdateOrder(p.view.old, p.in.Revisions.Current.Name)
	}
	for _, m := range p.view.old {
		if quota > 0 && p.advance(m) {
			quota--
		} else {
			p.leave(m)
		}
	}
}

// serve brings new pods into service, and those at the update revision whose update is done.
func (p *planner) serve() {
	for _, list := range [][]*member{p.view.old, p.view.updated} {
		for _, m := range list {
			if m.progress.Phase == inplace.PhaseNew && inplace.HasGate(m.pod) {
				p.gateOn(m, Serve, "it is new")
			}
		}
	}
	for _, m := range p.view.updated {
		p.leave(m)
	}
}

// leave does for a pod that is not to be updated now what is left to be done: it goes back into service as soon as it
// can.
func (p *planner) leave(m *member) {
	switch m.progress.Phase {
	case inplace.PhaseDraining:
		p.gateOn(m, Restore, "it is not to be updated now")
	case inplace.PhaseRestarted:
		p.gateOn(m, Confirm, "its containers run revision "+m.revision)
	}
}

func (p *planner) gateOn(m *member, kind Kind, why string) {
	p.do(Action{Kind: kind, Verb: VerbPatchStatus, Pod: m.pod, Patch: inplace.ServePatch(m.pod, p.in.Now), Why: why})
}

// advance brings one old pod as far towards the update revision as it can be now, and tells whether the pod is on its
// way.
func (p *planner) advance(m *member) bool {
	change := p.changeOf(m)
	switch {
	case !change.InPlace():
		return p.replace(m, change)
	case !change.Restarts() && !m.patched():
		p.patch(m, change)
		return true
	case p.slots <= 0:
		return false
	case m.begun():
		p.slots--
		p.proceed(m, change)
		return true
	}
	return p.drain(m)
}

// patched tells whether the pod waits for containers of an earlier patch.
func (m *member) patched() bool { return m.progress.Phase == inplace.PhaseRestarting }

// drain takes a pod out of service, if that can be afforded.
func (p *planner) drain(m *member) bool {
	// A pod whose gate was never set is brought into service first; it is no use to hurry.
	if m.progress.Phase == inplace.PhaseNew || !p.afford(m) {
		return false
	}
	p.slots--
	p.do(Action{
		Kind: Drain, Verb: VerbPatchStatus, Pod: m.pod, Why: "for the update to " + p.in.Revisions.Update.Name,
		Patch: inplace.DrainPatch(m.pod, p.in.Revisions.Update.Name, p.in.Now),
	})
	return true
}

// proceed patches a pod that is out of service, once it was left alone for the grace period.
func (p *planner) proceed(m *member, change *inplace.Change) {
	left, drained := inplace.DrainLeft(m.pod, m.seen, p.limits.grace, p.in.Now)
	switch {
	case !drained, !isManaged(m.pod): // An event will tell. The relabelling would make the patch conflict.
	case left > 0:
		p.view.later(left)
	default:
		p.patch(m, change)
	}
}

// patch makes the change in place.
func (p *planner) patch(m *member, change *inplace.Change) {
	update := p.in.Revisions.Update
	target := inplace.Target{Revision: update.Name, Template: update.Template}
	p.do(Action{
		Kind: UpdateInPlace, Verb: VerbPatch, Pod: m.pod, Why: describe(change, update.Name),
		Patch: inplace.UpdatePatch(m.pod, target, *change, m.progress.Unconfirmed),
	})
}

// describe tells people what a change does.
func describe(change *inplace.Change, revision string) string {
	parts := make([]string, 0, len(change.Images))
	for _, i := range change.Images {
		text := fmt.Sprintf("%s to %s", i.Container, i.Image)
		if !i.Restarts {
			text += " (takes effect when the sandbox starts the next time)"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "labels and annotations to revision " + revision
	}
	return strings.Join(parts, ", ") + " of revision " + revision
}

// replace deletes a pod that cannot be updated in place, if the policy and the budget allow it.
func (p *planner) replace(m *member, change *inplace.Change) bool {
	why := change.Why
	if why == "" {
		why = change.Field + " cannot be changed in place"
	}
	switch p.in.Set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy {
	case appsv1beta1.InPlaceOnlyPodUpdatePolicy:
		p.blocked = why
		p.note(m.pod, appsv1beta1.NoteInPlaceImpossible, why)
		return false
	case appsv1beta1.ReCreatePodUpdatePolicy:
		why = "podUpdatePolicy is ReCreate"
	default:
		p.recreateField = change.Field
		p.note(m.pod, appsv1beta1.NoteRecreate, why)
	}
	if p.slots <= 0 || !p.afford(m) {
		return false
	}
	p.slots--
	p.do(Action{Kind: Recreate, Verb: VerbDelete, Pod: m.pod, Why: why})
	return true
}

// changeOf returns what brings a pod to the update revision. It is worked out once a pass for each revision.
func (p *planner) changeOf(m *member) *inplace.Change {
	if !inplace.HasGate(m.pod) {
		return &inplace.Change{
			Field: "spec.template.spec.readinessGates", Why: "the pod was made without the readiness gate InPlaceUpdateReady",
		}
	}
	if change, ok := p.changes[m.revision]; ok {
		return change
	}
	change := &inplace.Change{
		Field: "spec.template", Why: fmt.Sprintf("its revision %q is gone, so that nobody knows what changed", m.revision),
	}
	if template := p.in.Revisions.Templates[m.revision]; template != nil {
		compared := inplace.Compare(template, p.in.Revisions.Update.Template)
		change = &compared
	}
	if change.InPlace() && p.in.Set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy == appsv1beta1.ReCreatePodUpdatePolicy {
		change = &inplace.Change{Field: "spec.template"}
	}
	p.changes[m.revision] = change
	return change
}
