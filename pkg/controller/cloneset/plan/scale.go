package plan

import (
	"iter"
	"maps"
	"slices"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// maxCreations is how many pods one pass creates at the most. The events of these bring the pass that goes on; a number of
// replicas with a zero too many does not end in a plan that fills the memory.
const maxCreations = 500

// scale deletes the pods that the user named and those that are too many, and creates those that are missing.
func (p *planner) scale() {
	p.deleteSpecified()
	p.replaceStranded()
	p.scaleIn()
	p.retire()
	p.create()
}

// deleteSpecified deletes the pods that the user wants deleted, as the budget allows it.
func (p *planner) deleteSpecified() {
	gone := map[*member]bool{}
	for m := range p.all() {
		switch {
		case m.unresizable != "":
			gone[m] = p.sparable(m) && p.remove(m, Recreate, m.unresizable)
		case m.specified:
			gone[m] = p.remove(m, DeleteSpecified, "the user asked for it")
		}
	}
	maps.DeleteFunc(gone, func(_ *member, goes bool) bool { return !goes })
	p.takeOut(gone)
}

// scaleIn deletes pods that are too many: of surge pods that go, those that nothing needs, and of the others those beyond
// replicas. Old pods that the partition keeps are spared: their successors would be old again. No PodDisruptionBudget is
// asked, since fewer pods are what the user wants; but for surge pods, of which nobody said so.
func (p *planner) scaleIn() {
	var temporary, others []*member
	for m := range p.all() {
		switch {
		case m.specified:
		case m.surge && p.surgeGoes():
			temporary = append(temporary, m)
		default:
			others = append(others, m)
		}
	}
	c := &p.counts
	surplus := p.surplus(c.extra+c.excluded+p.limits.replicas, len(temporary), c.surgeForUpdate)
	p.cut(temporary, surplus.temporary, "the update needs fewer surge pods")
	p.cut(others, surplus.others, "there are more pods than spec.replicas")
}

// cut deletes some of the pods.
func (p *planner) cut(pods []*member, surplus int, why string) {
	if surplus <= 0 {
		return
	}
	gone := map[*member]bool{}
	spare := max(p.counts.old-p.keep, 0)
	for _, m := range p.inDeletionOrder(pods) {
		if len(gone) == surplus {
			break
		}
		kept := m.old && !m.surge && !m.excluded
		if kept && spare == 0 {
			continue
		}
		if m.exempt = !p.isSurplusOfUpdate(m); p.mustStay(m) {
			surplus-- // It is this one that goes, and no other in its place.
			continue
		}
		if !p.remove(m, ScaleIn, why) {
			m.exempt = false
			continue
		}
		if kept {
			spare--
		}
		gone[m] = true
	}
	p.takeOut(gone)
}

// retire deletes the old pods that surge pods took the place of: those that are left when no other has to be updated.
func (p *planner) retire() {
	if p.surgeGoes() || !p.updates() || p.counts.extra <= 0 || p.quota() > 0 {
		return
	}
	surplus := min(p.counts.extra, p.counts.surgeForUpdate, p.counts.old-p.keep)
	gone := map[*member]bool{}
	for _, m := range p.inRetirementOrder() {
		if len(gone) >= surplus {
			break
		}
		if !m.specified && p.remove(m, ScaleIn, "a surge pod has taken its place") {
			gone[m] = true
		}
	}
	p.takeOut(gone)
}

// create makes as many pods of the stable revision as the partition lacks, and the others of the update revision. Pods that
// are being adopted count as replicas already.
func (p *planner) create() {
	missing := p.limits.replicas + p.counts.surge - p.counts.all - len(p.in.Orphans)
	if missing <= 0 {
		return
	}
	surge := max(p.counts.surgeForUpdate-p.counts.surging, 0)
	missing = min(missing-p.awaited(missing-surge), maxCreations)
	if p.limits.starting < noLimit {
		missing = min(missing, p.limits.starting-p.starting())
	}
	if missing <= 0 {
		return
	}
	stable := min(max(p.keep-p.counts.old, 0), missing)
	if p.fresh().Name == p.in.Revisions.Update.Name {
		missing = stable + p.creatable(missing-stable)
	}
	if missing <= 0 {
		return
	}
	p.slots -= missing - stable
	plain := max(missing-surge, stable)
	for i, name := range p.names(plain, missing-plain) {
		revision := p.fresh()
		if i < stable {
			revision = p.in.Revisions.Current
		}
		pod := NewPod(p.in.Set, revision, name)
		p.pin(pod, revision)
		if i >= plain {
			pod.Labels[appsv1beta1.SurgeLabel] = p.surgeMark()
		}
		p.do(Action{Kind: CreatePod, Verb: VerbCreate, Pod: pod, Why: "at revision " + revision.Name})
	}
}

// starting returns how many pods are on their way to become available, those that are being updated in place apart.
func (p *planner) starting() int {
	count := 0
	for m := range p.all() {
		if !m.available && !m.begun() && !m.preparing() {
			count++
		}
	}
	return count
}

// remove deletes a pod, if that can be afforded and its PodDisruptionBudgets have places for it: at once, or when its
// preDelete hook is done, the places are seen and its claims are owned by whom they have to be. It tells whether the pod
// leaves.
func (p *planner) remove(m *member, kind Kind, why string) bool {
	if !p.canAfford(m) || p.mustStay(m) {
		return false
	}
	p.afford(m)
	if p.awaitsDelete(m) {
		p.prepareDelete(m, why)
	} else if p.mayLeave(m) && p.mayGo(m.pod, kind != Recreate) {
		p.do(Action{Kind: kind, Verb: VerbDelete, Pod: m.pod, Unchanged: p.goesUnasked(m), Why: why})
	}
	return true
}

// takeOut takes pods that leave out of the lists of those that there is more to be done for. Until they are gone the
// status counts them.
func (p *planner) takeOut(gone map[*member]bool) {
	if len(gone) == 0 {
		return
	}
	leaves := func(m *member) bool { return gone[m] }
	for _, m := range slices.SortedFunc(maps.Keys(gone), byName) {
		p.leaving = append(p.leaving, m)
		if m.specified || m.excluded {
			continue
		}
		p.counts.extra--
		switch {
		case m.surge:
			p.counts.surging--
		case m.old:
			p.counts.old--
		}
	}
	p.view.old = slices.DeleteFunc(p.view.old, leaves)
	p.view.updated = slices.DeleteFunc(p.view.updated, leaves)
}

// all goes through the pods that there is more to be done for.
func (p *planner) all() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for _, list := range [][]*member{p.view.old, p.view.updated} {
			for _, m := range list {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// canAfford tells whether the budget has one left for a pod that is available.
func (p *planner) canAfford(m *member) bool { return !m.available || p.budget > 0 }

// afford takes one of the budget for a pod that is available. Others cost nothing.
func (p *planner) afford(m *member) {
	if m.available {
		p.budget--
	}
}

// keepOf returns how many pods stay at old revisions. Where the template is set back to the stable revision there is
// nothing to keep: every other revision was given up.
func keepOf(l limits, update, current string) int {
	if update == current {
		return 0
	}
	return l.partition
}
