package plan

import (
	"slices"
)

// maxCreations is how many pods one pass creates at the most. The events of these bring the pass that goes on; a number of
// replicas with a zero too many does not end in a plan that fills the memory.
const maxCreations = 500

// scale creates the pods that are missing, or deletes those that are too many.
func (p *planner) scale() {
	missing := p.limits.replicas - len(p.view.old) - len(p.view.updated)
	if missing > 0 {
		p.create(missing)
	} else {
		p.scaleIn(-missing)
	}
}

// create makes as many pods of the stable revision as the partition lacks, and the others of the update revision.
func (p *planner) create(missing int) {
	stable := min(max(p.keep-len(p.view.old), 0), missing)
	p.slots -= missing - stable
	names := freshNames(p.in, p.view.names, min(missing, maxCreations))
	for i, name := range names {
		revision := p.in.Revisions.Update
		if i < stable {
			revision = p.in.Revisions.Current
		}
		p.do(Action{
			Kind: CreatePod, Verb: VerbCreate, Pod: newPod(p.in.Set, revision, name), Why: "at revision " + revision.Name,
		})
	}
}

// scaleIn deletes pods. Old pods that the partition keeps are spared: their successors would be old again.
func (p *planner) scaleIn(surplus int) {
	if surplus == 0 {
		return
	}
	spare := max(len(p.view.old)-p.keep, 0)
	all := slices.Concat(p.view.old, p.view.updated)
	byDeletionOrder(all, p.in.Revisions.Update.Name)
	gone := map[*member]bool{}
	for _, m := range all {
		old := m.revision != p.in.Revisions.Update.Name
		if len(gone) == surplus || (old && spare == 0) || !p.afford(m) {
			continue
		}
		if old {
			spare--
		}
		gone[m] = true
		p.leaving = append(p.leaving, m)
		p.do(Action{Kind: ScaleIn, Verb: VerbDelete, Pod: m.pod, Why: "there are more pods than spec.replicas"})
	}
	leaves := func(m *member) bool { return gone[m] }
	p.view.old = slices.DeleteFunc(p.view.old, leaves)
	p.view.updated = slices.DeleteFunc(p.view.updated, leaves)
}

// afford takes one of the budget for a pod that is available. Others cost nothing.
func (p *planner) afford(m *member) bool {
	if !m.available {
		return true
	}
	if p.budget <= 0 {
		return false
	}
	p.budget--
	return true
}

// keepOf returns how many pods stay at old revisions. Where the template is set back to the stable revision there is
// nothing to keep: every other revision was given up.
func keepOf(l limits, revisions Revisions) int {
	if revisions.Update.Name == revisions.Current.Name {
		return 0
	}
	return l.partition
}
