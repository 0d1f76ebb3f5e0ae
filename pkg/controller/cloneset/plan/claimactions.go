package plan

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// names returns names for new pods: those of pods whose claims wait for one go to the first of them, but to no surge pod,
// which will be deleted with its claims.
func (p *planner) names(pods, surge int) []string {
	var names []string
	used := p.used()
	if p.claims != nil {
		for _, id := range p.claims.free[:min(pods, len(p.claims.free))] {
			names = append(names, podName(p.in.Set, id))
		}
		for id := range p.claims.byID {
			used[podName(p.in.Set, id)] = true
		}
	}
	return append(names, freshNames(p.in, used, pods+surge-len(names))...)
}

// used returns the names in use.
func (p *planner) used() map[string]bool {
	names := make(map[string]bool, len(p.in.Pods)+len(p.in.Orphans))
	for _, pod := range p.in.Pods {
		names[pod.Name] = true
	}
	for _, pod := range p.in.Orphans {
		names[pod.Name] = true
	}
	return names
}

// awaited returns how many of some new pods have to wait for the claims that pods on their way out still hold.
func (p *planner) awaited(pods int) int {
	if p.claims == nil {
		return 0
	}
	return min(p.claims.held, max(pods-len(p.claims.free), 0))
}

// mayGo tells whether a pod may be deleted or given up now: its claims are owned by whom they have to be then. A pod that
// goes for good takes its claims along.
func (p *planner) mayGo(pod *corev1.Pod, forGood bool) bool {
	c := p.claims
	if c == nil {
		return true
	}
	if forGood {
		c.forGood.Insert(pod.UID)
	}
	if len(c.misowned(pod)) > 0 {
		return false
	}
	// A claim that is in use and not known lost its label. To be found it is made once more.
	if c.wantedOwner(pod).UID != pod.UID && pod.Spec.NodeName != "" && len(p.missingClaims(pod)) > 0 {
		return false
	}
	c.gone.Insert(pod.UID)
	return true
}

// tendClaims sees to it that claims are there, and owned by whom they have to be.
func (p *planner) tendClaims() {
	c := p.claims
	if c == nil {
		return
	}
	for _, pod := range p.in.Pods {
		if _, ok := idOf(p.in.Set, pod); ok {
			p.tendClaimsOf(pod)
		}
	}
	for _, claim := range c.useless {
		p.do(Action{
			Kind: DeleteClaim, Verb: VerbDelete, Claim: claim, Why: "it was kept for a pod that is not to come back",
		})
	}
}

func (p *planner) tendClaimsOf(pod *corev1.Pod) {
	c := p.claims
	keeps := c.wantedOwner(pod).UID != pod.UID
	switch {
	case pod.DeletionTimestamp != nil:
		// What it takes along was decided before it was deleted, unless the user says so now.
		if !keeps && c.reuse() {
			p.assignClaims(pod)
		}
	case hasEnded(pod):
		if !p.assignClaims(pod) && c.reuse() && len(c.of(pod)) > 0 {
			p.discard(pod, CleanUp, "it has ended, and holds claims")
		}
	case c.gone.Has(pod.UID):
	default:
		p.assignClaims(pod)
		if !c.forGood.Has(pod.UID) {
			p.makeClaims(pod)
		}
	}
}

// assignClaims gives the claims of a pod the owner that they have to have, and tells whether any had another one.
func (p *planner) assignClaims(pod *corev1.Pod) bool {
	misowned := p.claims.misowned(pod)
	owner := p.claims.wantedOwner(pod)
	for _, claim := range misowned {
		p.do(Action{
			Kind: AssignClaim, Verb: VerbPatch, Claim: claim, Patch: ownerPatch(claim, owner),
			Why: "it goes with " + owner.Kind + " " + owner.Name,
		})
	}
	return len(misowned) > 0
}

// strandedBy returns the volume for want of which a pod can never start, or nothing.
func (p *planner) strandedBy(m *member) string {
	if m.specified || m.pod.Spec.NodeName != "" {
		return ""
	}
	for _, volume := range p.missingClaims(m.pod) {
		if p.claims.template(volume) == nil {
			return volume
		}
	}
	return ""
}

// missingClaims returns the volumes of a pod whose claims do not exist, as far as is known.
func (p *planner) missingClaims(pod *corev1.Pod) []string {
	if _, ok := idOf(p.in.Set, pod); !ok {
		return nil
	}
	var missing []string
	for i := range pod.Spec.Volumes {
		name := OwnClaim(pod, &pod.Spec.Volumes[i])
		if name != "" && !p.in.ForeignClaims[name] && !p.claims.known(pod, name) {
			missing = append(missing, pod.Spec.Volumes[i].Name)
		}
	}
	return missing
}

// makeClaims makes the claims that a pod lacks.
func (p *planner) makeClaims(pod *corev1.Pod) {
	for _, volume := range p.missingClaims(pod) {
		template := p.claims.template(volume)
		if template == nil {
			continue
		}
		claim := newClaim(p.in.Set, template, pod, p.claims.wantedOwner(pod))
		if claim.Name == p.in.RefusedClaim && p.in.ClaimError != "" {
			p.note(pod, appsv1beta1.NoteCreateFailed, "claim "+claim.Name+" could not be created: "+p.in.ClaimError)
		}
		p.do(Action{Kind: CreateClaim, Verb: VerbCreate, Claim: claim, Why: "for its pod"})
	}
	p.noteForeign(pod)
}

// replaceStranded deletes pods that can never start, because the template of a claim that they lack is gone.
func (p *planner) replaceStranded() {
	if p.claims == nil {
		return
	}
	gone := map[*member]bool{}
	for m := range p.all() {
		volume := p.strandedBy(m)
		if volume != "" && p.remove(m, Recreate, "its claim for "+volume+", which spec.volumeClaimTemplates lacks now, was never made") {
			gone[m] = true
		}
	}
	p.takeOut(gone)
}

// noteForeign tells which volumes of a pod are claims that somebody else made.
func (p *planner) noteForeign(pod *corev1.Pod) {
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return p.in.ForeignClaims[OwnClaim(pod, &v)] })
	if i >= 0 {
		p.note(pod, appsv1beta1.NoteForeignClaim, "uses claim "+OwnClaim(pod, &pod.Spec.Volumes[i])+
			", which somebody else made: it stays when the pod is deleted")
	}
}

// discard deletes a pod that has ended, when its preDelete hook is done.
func (p *planner) discard(pod *corev1.Pod, kind Kind, why string) {
	if !holds(p.hooks().PreDelete, pod) {
		p.do(Action{Kind: kind, Verb: VerbDelete, Pod: pod, Why: why})
	} else if stateOf(p.in.Set, pod) != appsv1beta1.LifecyclePreparingDelete {
		p.setState(pod, PrepareDelete, appsv1beta1.LifecyclePreparingDelete, nil, why)
	}
}
