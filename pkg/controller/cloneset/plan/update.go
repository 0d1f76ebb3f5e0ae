package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// update brings old pods to the update revision, as many as quota, budget and slots allow.
func (p *planner) update() {
	quota := p.quota()
	if quota > 0 {
		p.orderUpdates()
		p.choose()
	}
	for _, m := range p.view.old {
		switch {
		case !p.isStuck(m) && (quota <= 0 || !m.chosen), !p.advance(m):
			p.leave(m)
		case !m.surge: // A surge pod is none of those that stay.
			quota--
		}
	}
}

// isStuck tells whether an old pod is updated though it is not chosen: a surge pod that is to go, and that an older template
// has keep down, would hold up the pods that are to be made.
func (p *planner) isStuck(m *member) bool {
	return m.surge && !m.available && !m.specified && p.updates()
}

// choose marks the pods that are to leave the old revisions: those that come first in the order, and no others. One of them
// that has to wait, for the budget above all, does not leave its place to a pod that comes later: the partition would keep
// the wrong one for good. That waiting may last: where the budget is used up by old pods that the partition keeps, and that
// stay down, nobody but the user can say whether another one may be down, or whether they should be updated instead. What
// is chosen never waits for another chosen one that is down, since that costs no budget to update; so without a partition
// nothing waits in this way. Where surge pods stay, quota is less than what is chosen, and goes to the first that can be
// updated: the others are deleted in the end. A pod that the policy forbids to update takes no place.
func (p *planner) choose() {
	places := p.counts.old - p.keep
	for _, m := range p.view.old {
		switch change := p.changeOf(m); {
		case places <= 0:
			return
		case m.specified:
		case !change.InPlace() && p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy:
			p.refuse(m, change)
		default:
			m.chosen = true
			if !m.excluded && !m.surge { // Those are none of the pods that are counted.
				places--
			}
		}
	}
}

// refuse tells that a pod stays as it is.
func (p *planner) refuse(m *member, change *inplace.Change) {
	p.blocked = whyReplaced(change)
	p.note(m.pod, appsv1beta1.NoteInPlaceImpossible, p.blocked)
}

// quota returns how many old pods are to be brought to the update revision. Where surge pods stay, as many old ones are
// deleted in the end.
func (p *planner) quota() int { return p.quotaOf(&p.counts) }

func (p *planner) quotaOf(c *counts) int {
	if !p.updates() {
		return 0
	}
	quota := c.old - p.keep
	if !p.surgeGoes() {
		quota -= max(c.extra, 0)
	}
	return quota
}

// serve brings new pods into service, and those at the update revision whose update is done.
func (p *planner) serve() {
	for m := range p.all() {
		if m.progress.Phase == inplace.PhaseNew && inplace.HasGate(m.pod) {
			p.gateOn(m, Serve, "it is new")
		}
	}
	for _, m := range p.view.updated {
		if !p.startsOver(m) {
			p.leave(m)
		}
	}
}

// leave does for a pod that is not to be updated or deleted now what is left to be done: it goes back into service as soon
// as it can.
func (p *planner) leave(m *member) {
	if p.goOn(m) || p.askForResize(m) || p.endResize(m) {
		return
	}
	switch m.progress.Phase {
	case inplace.PhaseDraining:
		p.gateOn(m, Restore, "it is not to be updated now")
	case inplace.PhaseRestarted:
		p.confirm(m)
	}
	p.settleState(m)
}

func (p *planner) gateOn(m *member, kind Kind, why string) {
	p.do(Action{Kind: kind, Verb: VerbPatchStatus, Pod: m.pod, Patch: inplace.ServePatch(m.pod, p.in.Now), Why: why})
}

// advance brings one old pod as far towards the update revision as it can be now, and tells whether the pod is on its
// way.
func (p *planner) advance(m *member) bool {
	change := p.changeOf(m)
	m.progress.Pending = slices.DeleteFunc(m.progress.Pending, m.isSpared)
	switch {
	case !change.InPlace():
		return p.replace(m, change)
	case m.preparing():
		return false // It was to be replaced until now, and goes back into service first.
	case len(inplace.Restarting(change, &m.progress)) == 0:
		m.rely()
		if len(change.Resizes) > 0 {
			return p.resize(m, change)
		}
		p.patch(m, p.in.Revisions.Update, change, "")
		return true
	}
	return p.restart(m, change)
}

// restart brings a pod to the update revision whose containers have to be restarted: its node is to have the new images, its
// hook is waited for, it is drained and then patched.
func (p *planner) restart(m *member, change *inplace.Change) bool {
	// A pod whose gate was never set is brought into service first; it is no use to hurry.
	if m.progress.Phase == inplace.PhaseNew {
		return false
	}
	if p.awaitsRecord(m) || !p.hasImages(m, change) {
		p.leave(m)
		return true // Its turn has come. No other pod is taken instead, beyond the partition.
	}
	if p.awaitsDigest(m) {
		p.leave(m)
		return true
	}
	if p.overtakes(m) || p.slots <= 0 {
		return false
	}
	if !p.sparable(m) {
		p.images.ahead++ // The pod that has to come back before may lack an image.
		return false
	}
	if !p.canAfford(m) || (!m.begun() && p.isHeld(m)) {
		return false
	}
	p.afford(m)
	p.slots--
	p.findsDigests(m)
	p.step(m, p.in.Revisions.Update, change)
	p.yieldSlot(m)
	return true
}

// patch makes the change in place, or of what it restarts those containers that go first. The remark is told with it.
func (p *planner) patch(m *member, to Revision, change *inplace.Change, remark string) {
	target := inplace.Target{Revision: to.Name, Template: to.Template, Rules: p.rules, At: p.in.Now}
	// What is kept of that makes the patch depend on the resourceVersion, so that the relabelling would make it conflict.
	target.Failed = isManaged(m.pod) && inplace.HasFailed(m.pod, p.in.Now)
	images, pending := inplace.Next(m.pod, target, *change, m.progress)
	p.do(Action{
		Kind: UpdateInPlace, Verb: VerbPatch, Pod: m.pod, Warns: remark != "",
		Why:   describe(images, pending, change.Resizes, to.Name) + m.skippedOf(change) + remark,
		Patch: inplace.UpdatePatch(m.pod, target, updating(m, change), m.progress),
	})
}

// updating returns the change with the state that a pod has whose hook was waited for.
func updating(m *member, change *inplace.Change) inplace.Change {
	next := *change
	if m.state == appsv1beta1.LifecyclePreparingUpdate {
		next.Labels = map[string]*string{}
		maps.Copy(next.Labels, change.Labels)
		next.Labels[appsv1beta1.LifecycleStateLabel] = new(string(appsv1beta1.LifecycleUpdating))
	}
	return next
}

// describe tells people what a patch does.
func describe(images []inplace.Image, pending []string, resizes []inplace.Resize, revision string) string {
	parts := make([]string, 0, len(images)+len(resizes))
	for _, i := range images {
		text := fmt.Sprintf("%s to %s", i.Container, i.Image)
		if !i.Restarts {
			text += " (takes effect when the sandbox starts the next time)"
		}
		parts = append(parts, text)
	}
	for i := range resizes {
		parts = append(parts, resizes[i].String())
	}
	if len(parts) == 0 {
		return "labels and annotations to revision " + revision
	}
	text := strings.Join(parts, ", ") + " of revision " + revision
	if len(pending) > 0 {
		text += "; then " + strings.Join(pending, ", ")
	}
	return text
}

// replace deletes a pod that cannot be updated in place, if the budget allows it.
func (p *planner) replace(m *member, change *inplace.Change) bool {
	why := whyReplaced(change)
	if p.policy() == appsv1beta1.ReCreatePodUpdatePolicy {
		why = "podUpdatePolicy is ReCreate"
	} else {
		p.recreateField = change.Field
		p.note(m.pod, appsv1beta1.NoteRecreate, why)
	}
	// The successor of a pod that waits to be deleted may have taken the slot already.
	if (p.slots <= 0 && !m.preparing()) || !p.sparable(m) || !p.remove(m, Recreate, why) {
		return false
	}
	p.slots--
	p.yieldSlot(m)
	return true
}

func whyReplaced(change *inplace.Change) string {
	if change.Why != "" {
		return change.Why
	}
	return change.Field + " cannot be changed in place"
}

// changeOf returns what brings a pod to the update revision. It is worked out once a pass for each revision.
func (p *planner) changeOf(m *member) *inplace.Change {
	if !inplace.HasGate(m.pod) {
		return &inplace.Change{
			Field: "spec.template.spec.readinessGates", Why: "the pod was made without the readiness gate InPlaceUpdateReady",
		}
	}
	if change, ok := p.changes[m.revision]; ok {
		return p.resolve(m, change)
	}
	change := &inplace.Change{
		Field: "spec.template", Why: fmt.Sprintf("its revision %q is gone, so that nobody knows what changed", m.revision),
	}
	if template := p.in.Revisions.Templates[m.revision]; template != nil {
		compared := Compare(p.in.Set, template, p.in.Revisions.Update.Template)
		change = &compared
	}
	if change.InPlace() && p.policy() == appsv1beta1.ReCreatePodUpdatePolicy {
		change = &inplace.Change{Field: "spec.template"}
	}
	p.changes[m.revision] = change
	return p.resolve(m, change)
}
