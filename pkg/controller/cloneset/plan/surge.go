package plan

import (
	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// counts are the numbers of pods that scaling and surging start from. They are taken before anything is decided.
type counts struct {
	// all are the pods that count as replicas, surge pods included.
	all int
	// old are those of them at old revisions that the user did not ask to be deleted.
	old int
	// excluded are those that wait to be deleted, because there are too many, and do not count as replicas meanwhile.
	excluded int
	// extra is how many pods there are beyond replicas, when those that the user wants deleted are gone. It is negative
	// where pods are missing.
	extra int
	// surge is how many pods there shall be beyond replicas, and surgeForUpdate the part of it that the update needs.
	surge, surgeForUpdate int
}

// tally takes the numbers.
func (p *planner) tally() counts {
	c := counts{}
	specified, need, surging, down := 0, 0, 0, 0
	for m := range p.all() {
		c.all++
		switch {
		case m.specified:
			specified++
		case m.old:
			c.old++
			if p.goesDown(m) {
				need++
			}
		case p.isSurge(m):
			surging++
		case !m.available:
			down++
		}
	}
	bound, free := p.excluded(c.all)
	c.all -= bound + free
	c.excluded = free
	c.extra = c.all - specified - p.limits.replicas
	c.surgeForUpdate = min(p.limits.maxSurge, need, max(c.old-p.keep, 0))
	if p.surgeGoes() {
		// They go when the pods that they stood in for are back.
		c.surgeForUpdate = max(c.surgeForUpdate, min(p.limits.maxSurge, surging, down))
	}
	c.surge = min(p.limits.maxSurge, c.surgeForUpdate+specified)
	if !updates(p.in.Set) {
		// Nothing surges; what has surged stays until the update goes on.
		c.surge = min(c.surge, max(c.all-p.limits.replicas, 0))
	}
	return c
}

// excluded returns how many of the pods that wait to be deleted do not count as replicas: bound are those that will be
// deleted whatever is missing, free are those that are too many. As many as are missing otherwise do count: they go back
// into service rather than being replaced.
func (p *planner) excluded(all int) (bound, free int) {
	if !p.in.Set.Spec.ScaleStrategy.ExcludePreparingDelete {
		return 0, 0
	}
	for m := range p.all() {
		switch {
		case !m.preparing():
		case m.specified, m.old && !p.changeOf(m).InPlace():
			bound++
		default:
			free++
		}
	}
	return bound, min(free, max(all-bound-p.limits.replicas, 0))
}

// goesDown tells whether an old pod goes out of service on its way to the update revision, so that a surge pod may stand
// in for it.
func (p *planner) goesDown(m *member) bool {
	change := p.changeOf(m)
	if !change.InPlace() {
		return p.policy() != appsv1beta1.InPlaceOnlyPodUpdatePolicy
	}
	return change.Restarts()
}

// surgeGoes tells whether it is the surge pods that are deleted in the end, and not as many old ones: where pods have
// claims, and where no pod is to be replaced.
func (p *planner) surgeGoes() bool {
	return len(p.in.Set.Spec.VolumeClaimTemplates) > 0 || p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy
}

// isSurge tells whether a pod was made beyond replicas for the present update.
func (p *planner) isSurge(m *member) bool {
	return m.pod.Labels[appsv1beta1.SurgeLabel] == p.in.Revisions.Update.Name
}

// surging returns how many pods were made beyond replicas for the present update.
func (p *planner) surging() int {
	count := 0
	for m := range p.all() {
		if p.isSurge(m) {
			count++
		}
	}
	return count
}

func (p *planner) policy() appsv1beta1.PodUpdatePolicy {
	return p.in.Set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy
}
