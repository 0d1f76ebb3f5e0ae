package plan

import (
	"slices"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// counts are the numbers of pods that scaling and surging start from. They are taken before anything is decided.
type counts struct {
	// all are the pods that count as replicas, surge pods included.
	all int
	// old are those of them at old revisions that the user did not ask to be deleted, and surging those that are there for
	// the update alone.
	old, surging int
	// excluded are those that wait to be deleted, because there are too many, and count as neither meanwhile.
	excluded int
	// extra is how many pods there are beyond replicas, when those that the user wants deleted are gone. It is negative
	// where pods are missing.
	extra int
	// surge is how many pods there shall be beyond replicas, and surgeForUpdate the part of it that the update needs.
	surge, surgeForUpdate int
}

// census is what tally counts.
type census struct {
	counts
	// specified are the pods that the user wants deleted, need those that go out of service for the update, owed those of them
	// that are updated but for their resources, and down the updated ones that are not available.
	specified, need, owed, down int
}

// tally takes the numbers.
func (p *planner) tally() counts {
	c := census{}
	var waiting, replaced []*member
	for m := range p.all() {
		switch {
		case !m.preparing() || !p.in.Set.Spec.ScaleStrategy.ExcludePreparingDelete:
			p.register(&c, m)
		case m.specified:
		case m.old && !m.surge && p.isReplaced(m):
			replaced = append(replaced, m)
		default:
			waiting = append(waiting, m)
		}
	}
	p.bind(&c, replaced, waiting)
	c.surgeForUpdate = p.surgeForUpdate(&c)
	c.surge = c.surgeForUpdate
	if p.surgeGoes() {
		c.surge = max(c.surge, c.surging) // While one stays too long, what is missing otherwise is made all the same.
	}
	c.surge = min(p.limits.maxSurge, c.surge+c.specified)
	if !p.updates() {
		// Nothing surges; what has surged stays until the update goes on.
		c.surge = min(c.surge, c.surgeForUpdate, max(c.all-p.limits.replicas, 0))
	}
	return c.counts
}

// register counts a pod as one of the replicas.
func (p *planner) register(c *census, m *member) {
	c.all++
	switch {
	case m.specified:
		c.specified++
	case m.surge:
		c.surging++
	case m.old:
		c.old++
		if p.goesDown(m) {
			c.need++
		}
	case m.owed != nil:
		c.owed++
		c.need++
	case !m.available:
		c.down++
	}
}

// bind counts the pods that wait to be deleted for their update as what they are: as no replicas any more, whatever is
// missing. Those of them that are not to be updated now wait as others do, and so could go back into service; how many
// these are depends on what is beyond replicas then, so that fewer are bound until as many are to be updated.
func (p *planner) bind(c *census, replaced, waiting []*member) {
	slices.SortFunc(replaced, byName)
	bound := 0
	if p.updates() {
		bound = min(max(c.old+len(replaced)-p.keep, 0), len(replaced))
	}
	for {
		trial := *c
		trial.old += bound
		p.exclude(&trial, slices.Concat(waiting, replaced[bound:]))
		trial.extra = trial.all - trial.specified - p.limits.replicas
		quota := p.quotaOf(&trial.counts)
		if bound <= max(quota, 0) {
			*c = trial
			break
		}
		bound = max(quota, 0)
	}
	for _, m := range replaced[:bound] {
		m.bound, m.excluded = true, false
	}
}

// exclude decides which of the pods that wait to be deleted, and could go back into service, do not count as replicas: those
// that are too many. As many as are missing otherwise, or at old revisions for the partition, do count: they go back rather
// than being replaced.
// What goes back may need pods beyond replicas for its own update, which lets more of them count.
func (p *planner) exclude(c *census, waiting []*member) {
	for surge := p.surgeForUpdate(c); ; {
		trial := *c
		p.excludeBeyond(&trial, waiting, surge)
		needed := p.surgeForUpdate(&trial)
		if needed <= surge {
			*c = trial
			return
		}
		surge = needed
	}
}

// excludeBeyond decides it for a number of pods that the update needs beyond replicas.
func (p *planner) excludeBeyond(c *census, waiting []*member, surge int) {
	everybody := *c
	for _, m := range waiting {
		p.register(&everybody, m)
	}
	surplus, spare := p.surplus(everybody.all-c.specified, everybody.surging, surge), everybody.old-p.keep
	for _, m := range p.inDeletionOrder(waiting) {
		left, kept := &surplus.others, m.old && !m.surge
		if m.surge && p.surgeGoes() {
			left = &surplus.temporary
		}
		if m.excluded = *left > 0 && (!kept || spare > 0); !m.excluded {
			p.register(c, m)
			continue
		}
		*left--
		c.excluded++
		if kept {
			spare--
		}
	}
}

// surplus are pods that are too many: surge pods that go, and others.
type surplus struct{ temporary, others int }

// surplus tells how many pods are too many, of all that the user did not ask to be deleted, when so many surge. Where
// replicas was lowered, those that are too many stand in for others as long as there are no surge pods.
func (p *planner) surplus(all, surging, surge int) surplus {
	if p.surgeGoes() {
		return surplus{surging - surge, all - p.limits.replicas - max(surge, surging)}
	}
	return surplus{0, all - p.limits.replicas - surge}
}

// surgeForUpdate returns how many pods the update needs beyond replicas.
func (p *planner) surgeForUpdate(c *census) int {
	surge := min(p.limits.maxSurge, c.need, max(c.old-p.keep, 0)+c.owed)
	if p.surgeGoes() {
		// They go when the pods that they stood in for are back, and those are made anew that are lost meanwhile.
		missing := max(p.limits.replicas+c.specified+c.surging-c.all, 0)
		surge = max(surge, min(p.limits.maxSurge, c.surging, c.down+missing))
	}
	if !p.updates() {
		surge = min(surge, c.surging)
	}
	return surge
}

// goesDown tells whether an old pod goes out of service on its way to the update revision, so that a surge pod may stand
// in for it.
func (p *planner) goesDown(m *member) bool {
	change := p.changeOf(m)
	return p.isReplaced(m) || (change.InPlace() && change.Restarts())
}

// isReplaced tells whether the update of an old pod deletes it.
func (p *planner) isReplaced(m *member) bool {
	return !p.changeOf(m).InPlace() && p.policy() != appsv1beta1.InPlaceOnlyPodUpdatePolicy
}

// surgeGoes tells whether it is the surge pods that are deleted in the end, and not as many old ones: where pods have
// claims, and where no pod is to be replaced.
func (p *planner) surgeGoes() bool {
	return len(p.in.Set.Spec.VolumeClaimTemplates) > 0 || p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy
}

// isSurplusOfUpdate tells whether a pod is too many because of the update.
func (p *planner) isSurplusOfUpdate(m *member) bool { return p.surgeGoes() && m.surge }

// surgeMark returns what the label of surge pods says.
func (p *planner) surgeMark() string {
	if p.surgeGoes() {
		return appsv1beta1.SurgeTemporary
	}
	return p.in.Revisions.Update.Name
}

// tellSurge finds out which pods are surge pods. Those that go are told by their label, whatever the template has become
// since. So one that is needed for good loses it: where surge pods stay now, and where there may be fewer of them than there
// are, while pods are missing otherwise. Those that stay are surge pods until the update is complete.
func (p *planner) tellSurge() {
	var temporary []*member
	others := len(p.in.Orphans)
	for m := range p.all() {
		switch mark := m.pod.Labels[appsv1beta1.SurgeLabel]; {
		case m.specified:
		case mark == appsv1beta1.SurgeTemporary:
			temporary = append(temporary, m)
		default:
			others++
			m.surge = !m.old && mark == p.surgeMark() && mark != p.in.Revisions.Current.Name
		}
	}
	goes := 0
	if p.surgeGoes() {
		goes = min(max(p.limits.maxSurge, len(temporary)+others-p.limits.replicas), len(temporary))
	}
	for i, m := range p.inDeletionOrder(temporary) {
		if m.surge = i < goes; !m.surge {
			p.do(Action{
				Kind: Relabel, Verb: VerbPatch, Pod: m.pod, Patch: stayPatch(m.pod), Why: "it was made as a surge pod, and is to stay",
			})
		}
	}
}

func (p *planner) policy() appsv1beta1.PodUpdatePolicy {
	return p.in.Set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy
}
