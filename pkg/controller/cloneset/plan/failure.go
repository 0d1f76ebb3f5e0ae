package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

const (
	// maxEvidence is of how many pods it is kept and told why they failed.
	maxEvidence = 3
	// failureVersion is the version of the JSON of a failure.
	failureVersion = 1
)

// Failure is why a revision was given up. It is kept on its ControllerRevision, in the annotation apps.insitu.dev/failure.
type Failure struct {
	// Version is the version of this JSON.
	Version int `json:"version"`
	// At is when the revision was given up.
	At time.Time `json:"at"`
	// Failed is how many pods had failed then, and Allowed how many ended the rollout.
	Failed  int `json:"failed"`
	Allowed int `json:"allowed"`
	// Pods are some of them, the first by name.
	Pods []Evidence `json:"pods,omitempty"`
}

// Evidence is why one pod failed.
type Evidence struct {
	// Pod is its name.
	Pod string `json:"pod"`
	inplace.Fault
}

// failures is what the failure policy has to say in one pass.
type failures struct {
	// asked is the revision of the template. Where it was given up, the update revision is the stable one instead.
	asked Revision
	// givenUp are the revisions that were given up, by name.
	givenUp map[string]*Failure
	// verdict is why the asked revision was given up, and nil unless its pods are brought back.
	verdict *Failure
	// found are the pods at the asked revision that have failed, by name, and allowed is how many end the rollout.
	found   []Evidence
	allowed int
	// stops tells that they do: no other pod is brought to the asked revision. blocks tells that they are fewer, but nothing
	// else can be updated while they are down.
	stops, blocks bool
}

// lookAtGivenUp finds out which revisions were given up. If the one of the template was, the stable one takes its place as
// the one that pods are brought to, as if its template had been set back. Without another revision there is no way back.
func lookAtGivenUp(in *Input) failures {
	f := failures{asked: in.Revisions.Update, givenUp: map[string]*Failure{}}
	for _, list := range [][]*appsv1.ControllerRevision{in.Revisions.Lost, in.Revisions.History} {
		for _, revision := range list {
			if data := revision.Annotations[appsv1beta1.FailureAnnotation]; data != "" {
				f.givenUp[revision.Name] = decodeFailure(data)
			}
		}
	}
	if f.verdict = f.givenUp[f.asked.Name]; f.asked.Name == in.Revisions.Current.Name {
		f.verdict = nil
	}
	if f.verdict != nil {
		in.Revisions.Update = in.Revisions.Current
	}
	return f
}

// decodeFailure reads what is kept on a revision. Whatever it says, the revision was given up.
func decodeFailure(data string) *Failure {
	failure := &Failure{}
	if err := json.Unmarshal([]byte(data), failure); err != nil || failure.Version != failureVersion {
		return &Failure{}
	}
	return failure
}

// isOld tells whether the pods of a revision are to be brought to the update revision. On the way back these are the pods of
// the revisions that were given up, and no others: what runs at a third one has not failed.
func (f *failures) isOld(revision string, in *Input) bool {
	if revision == in.Revisions.Update.Name {
		return false
	}
	return f.verdict == nil || f.givenUp[revision] != nil
}

// judgePods finds the pods that have failed, and whether they end the rollout.
func (p *planner) judgePods() {
	f := &p.failures
	if f.verdict != nil || f.asked.Name == p.in.Revisions.Current.Name {
		return // There is nothing that could be left alone, or gone back to.
	}
	for _, m := range p.view.updated {
		if m.fault = p.faultOf(m); m.fault != nil {
			f.found = append(f.found, Evidence{Pod: m.pod.Name, Fault: *m.fault})
		}
	}
	slices.SortFunc(f.found, func(a, b Evidence) int { return strings.Compare(a.Pod, b.Pod) })
	f.allowed = max(min(p.limits.maxFailed, p.limits.maxUnavailable+p.limits.maxSurge, p.limits.replicas-p.keep), 1)
	f.stops = len(f.found) >= f.allowed
}

// faultOf returns why a pod counts as failed at the revision that it is at, or nil. One that waits for a hook is not late.
func (p *planner) faultOf(m *member) *inplace.Fault {
	patience := p.patience()
	if m.state != "" && m.state != appsv1beta1.LifecycleNormal {
		patience = 0 // It is not the pod that is waited for.
	}
	fault, wait := inplace.FaultOf(m.pod, m.seen, patience, p.in.Now)
	p.view.later(wait)
	return fault
}

// patience is for how long a pod may be on its way to be ready; zero means for ever.
func (p *planner) patience() time.Duration {
	if p.limits.deadline == 0 {
		return 0
	}
	return p.limits.deadline + p.limits.drain.Timeout + p.limits.drain.Grace
}

// giveUp gives the update revision up, if the failure policy says so. The way back begins when that was seen to be kept.
func (p *planner) giveUp() {
	f := &p.failures
	f.blocks = !f.stops && p.isBlocked()
	if (!f.stops && !f.blocks) || !p.goesBack() || !updates(p.in.Set) {
		return
	}
	at := slices.IndexFunc(p.in.Revisions.History, func(r *appsv1.ControllerRevision) bool { return r.Name == f.asked.Name })
	if at < 0 {
		return // It is made again first.
	}
	failure := Failure{
		Version: failureVersion, At: p.in.Now.UTC().Truncate(time.Second), Failed: len(f.found), Allowed: f.allowed,
		Pods: f.found[:min(len(f.found), maxEvidence)],
	}
	revision := p.in.Revisions.History[at]
	p.do(Action{
		Kind: GiveUp, Verb: VerbPatch, Revision: revision, Warns: true, Patch: encode(map[string]any{"metadata": map[string]any{
			"uid": revision.UID, "annotations": map[string]any{appsv1beta1.FailureAnnotation: string(encode(failure))},
		}}),
		Why: failure.String() + "; its pods are brought back to " + p.in.Revisions.Current.Name,
	})
}

// goesBack tells whether a revision at which too many pods fail is given up.
func (p *planner) goesBack() bool {
	return p.in.Set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action == appsv1beta1.RollbackOnFailure
}

// startsOver replaces a pod that has failed after its update in place, if the failure policy says so, and tells whether it
// goes. Its successor, which nothing was done to in place, is not replaced again.
func (p *planner) startsOver(m *member) bool {
	action := p.in.Set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action
	if action != appsv1beta1.RecreateOnFailure || !updates(p.in.Set) || !inplace.IsRestartedInPlace(m.pod) {
		return false
	}
	fault := m.fault
	if fault == nil && m.preparing() { // It may be so since it was late, and is not called back.
		fault = inplace.WasLate(m.pod, m.progress.Phase == inplace.PhaseDraining, p.patience(), p.in.Now)
	}
	return fault != nil && p.remove(m, Recreate, "it has failed after its update in place: "+fault.String())
}

// isBlocked tells whether pods are left to be updated or made, and nothing moves but for those that have failed: these are
// what a PodDisruptionBudget, or a limit of the spec, has no place for another one beside.
func (p *planner) isBlocked() bool {
	missing := p.limits.replicas + p.counts.surge - p.counts.all
	switch {
	case len(p.failures.found) == 0 || max(p.quota(), missing) <= 0:
		return false
	case slices.ContainsFunc(p.actions, moves) || p.isHeldUp():
		return false
	}
	for m := range p.all() {
		// One whose hook is off already may be held by a budget all the same. A place of a failed pod stays its own for a while.
		if m.fault == nil && (m.placed || (m.isUnderWay() && !p.disruptions.held[m]) || p.comesBack(m)) {
			return false
		}
	}
	return len(p.leaving) == 0
}

// isHeldUp tells whether the rollout waits for something else than the failed pods: images, resources or claims, a budget whose
// numbers are not those of these pods yet, or that has no place for others anyway, or people, where pods may not be replaced.
func (p *planner) isHeldUp() bool {
	if len(p.images.waits) > 0 || p.view.resizing > 0 || len(p.view.terminating) > 0 || p.blocked != "" {
		return true
	}
	for b := range p.disruptions.short {
		if b.Status.ObservedGeneration < b.Generation || p.isBehind(b) || !p.isUsedUp(b) {
			return true
		}
	}
	return false
}

// isUsedUp tells whether nothing but the failed pods is waited for at a budget that has no place: it would have one if they were
// healthy, or has none whatever its pods are like, and no other pod that it names is still to go.
func (p *planner) isUsedUp(b *budget) bool {
	healthy := int(b.Status.CurrentHealthy)
	for m := range p.all() {
		_, taken := b.Status.DisruptedPods[m.pod.Name]
		switch ready := inplace.SaysReady(m.pod); {
		case !b.selects(m.pod):
		case m.fault == nil && taken && ready:
			return false
		case m.fault != nil && !ready:
			healthy++
		}
	}
	healthy += max(p.limits.replicas-len(p.view.old)-len(p.view.updated), 0) // Those that cannot be made beside the failed ones.
	return healthy > int(b.Status.DesiredHealthy) || b.Status.ExpectedPods <= b.Status.DesiredHealthy
}

// isUnderWay tells whether there is more to come of a pod by itself.
func (m *member) isUnderWay() bool {
	return m.specified || m.begun() || (!m.old && (!m.available || m.shaky))
}

// comesBack tells whether an old pod that is not available may become so by itself: what it takes of maxUnavailable, or of the pods
// that may start at a time, is not the failed ones' doing.
func (p *planner) comesBack(m *member) bool {
	if !m.old || m.available || m.begun() {
		return false
	}
	return m.ready || (inplace.Trouble(m.pod, m.seen) == nil && p.faultOf(m) == nil)
}

// moves tells whether an action brings the rollout forward.
func moves(a Action) bool {
	switch a.Kind {
	case Relabel, Release, GiveBack, Recount, EndRehearsal, AdoptRevision, DeleteRevision, AssignClaim, DeleteClaim:
		return false
	}
	return true
}

// isProven tells whether the pods at the update revision run for good, as far as anybody can tell, so that it may become the
// stable one. Where one goes back to that, it has to be one that ran: a container without a probe is ready before it crashes,
// and a pod that is updated in service may have been ready since before its containers were started.
func (p *planner) isProven() bool {
	if !p.goesBack() {
		return true
	}
	proven := true
	for _, m := range p.view.updated {
		if !m.ready {
			return false
		}
		length := max(p.limits.minReady, inplace.CrashMemory)
		left := max(readyLeft(m, length, p.in.Now), inplace.StartedLeft(m.pod, length, p.in.Now))
		p.view.later(left)
		proven = proven && left <= 0 && !m.shaky
	}
	return proven
}

// String tells people why the revision was given up.
func (f *Failure) String() string { return tellFailed(f.Failed, f.Allowed, f.Pods) }

// tellFailed tells how many pods have failed, and why.
func tellFailed(failed, allowed int, pods []Evidence) string {
	if failed == 0 {
		return "pods failed"
	}
	texts := make([]string, 0, maxEvidence)
	for i := range pods[:min(len(pods), maxEvidence)] {
		texts = append(texts, pods[i].Pod+": "+pods[i].String())
	}
	text := fmt.Sprintf("%d failed of %d that failurePolicy takes", failed, allowed)
	if failed < allowed {
		text += ", and no other one can be updated while they are down"
	}
	text += ": " + strings.Join(texts, "; ")
	if more := failed - len(texts); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// updates tells whether pods are brought to the update revision now.
func (p *planner) updates() bool { return updates(p.in.Set) && !p.failures.stops }

// fresh is the revision of pods that are made, but for those that the partition keeps. While the failed ones end the
// rollout, no pod more is to come to their revision.
func (p *planner) fresh() Revision {
	if p.failures.stops && p.in.Set.Spec.UpdateStrategy.Type != appsv1beta1.OnDeleteStrategyType {
		return p.in.Revisions.Current
	}
	return p.in.Revisions.Update
}

// judgeFailures tells how a rollout goes that failed, and whether it did.
func (p *planner) judgeFailures(status *appsv1beta1.CloneSetStatus, counts string) (verdict, bool) {
	f := &p.failures
	switch {
	case f.verdict != nil && (updates(p.in.Set) || len(p.view.old) == 0):
		return p.judgeWayBack(status), true
	case f.blocks || (f.stops && updates(p.in.Set) && p.counts.old > p.keep):
		return p.judgeStop(counts), true
	}
	return verdict{}, false
}

// judgeStop tells that no other pod is updated, because of those that have failed.
func (p *planner) judgeStop(counts string) verdict {
	f := &p.failures
	why := tellFailed(len(f.found), f.allowed, f.found)
	if p.goesBack() && updates(p.in.Set) {
		return verdict{"False", appsv1beta1.ReasonRollingBack, counts + "; revision " + f.asked.Name + " is given up: " + why, true, false}
	}
	return verdict{
		"False", appsv1beta1.ReasonPausedByFailures,
		counts + "; " + why + "; no other pod is updated until fewer of them fail, or the template changes", true, false,
	}
}

// judgeWayBack tells how far the pods of a revision that was given up are on the way back.
func (p *planner) judgeWayBack(status *appsv1beta1.CloneSetStatus) verdict {
	f, to := &p.failures, p.in.Revisions.Current.Name
	isBack := len(p.view.old) == 0 && p.doomed() == 0 && int(status.AvailableReplicas) == p.limits.replicas &&
		int(status.Replicas) == p.limits.replicas
	if isBack {
		return verdict{"False", appsv1beta1.ReasonRolledBack, and(
			fmt.Sprintf("revision %s was given up: %s", f.asked.Name, f.verdict), "no pod is at it, and all are available",
			"set another template; or take the annotation "+appsv1beta1.FailureAnnotation+" off ControllerRevision "+
				f.asked.Name+" to have it tried again"), false, true}
	}
	_, images := p.waitingForImages()
	return verdict{"False", appsv1beta1.ReasonRollingBack, and(
		fmt.Sprintf("revision %s was given up: %s", f.asked.Name, f.verdict),
		fmt.Sprintf("%d pods are to be brought back to %s, and %d of %d are available",
			len(p.view.old), to, status.AvailableReplicas, p.limits.replicas),
		p.awaitedBudgets(), p.troubled(), images), true, false}
}
