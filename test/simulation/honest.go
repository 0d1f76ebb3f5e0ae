package simulation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// hooks is what I4 is for whoever routes traffic by hooks: no pod is deleted or restarted while it has a hook on it.
func (c *checker) hooks(a *plan.Action) {
	lifecycle := c.set.Spec.Lifecycle
	if lifecycle == nil {
		return
	}
	switch a.Kind {
	case plan.ScaleIn, plan.Recreate, plan.DeleteSpecified, plan.CleanUp:
		if hasAny(lifecycle.PreDelete, a.Pod) {
			c.run.fail("I4: %s while its preDelete hook is on it", a)
		}
	case plan.UpdateInPlace:
		needsDrain := slices.ContainsFunc(restarted(a.Patch, a.Pod), func(name string) bool { return !mayServe(c.set, name) })
		if needsDrain && a.Pod.Spec.NodeName != "" && hasAny(lifecycle.InPlaceUpdate, a.Pod) && !c.run.begun[a.Pod.UID] {
			c.run.fail("I4: %s while its inPlaceUpdate hook is on it", a)
		}
	}
}

// claim is I5 for the claims of pods that stay: they are not deleted, and go to nobody else.
func (c *checker) claim(a *plan.Action) {
	if c.late {
		return // It is conditioned on the claim; the pod may have come with the successor.
	}
	user := c.userOf(a.Claim.Name)
	if a.Kind == plan.DeleteClaim && user != nil && isAlive(user) {
		c.run.fail("I5: %s while %s uses it", a, user.Name)
	}
}

// isStranded tells whether a pod can never start, because the template of one of its claims is gone. Its successor is of the
// same revision.
func isStranded(set *appsv1beta1.CloneSet, pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && slices.ContainsFunc(claimsOf(pod), func(claim string) bool {
		return !slices.ContainsFunc(set.Spec.VolumeClaimTemplates, func(template corev1.PersistentVolumeClaim) bool {
			return claim == template.Name+"-"+pod.Name
		})
	})
}

// userOf returns the pod that has a claim as a volume, or nil.
func (c *checker) userOf(claim string) *corev1.Pod {
	for _, pod := range c.run.world.Pods() {
		if slices.Contains(claimsOf(pod), claim) {
			return pod
		}
	}
	return nil
}

// keeps is I5 for the claims of pods that are replaced where claims are reused: they are not the pod's when it goes.
func (c *checker) keeps(a *plan.Action) {
	pod := c.run.world.Pod(a.Pod.Name)
	if pod == nil || pod.UID != a.Pod.UID || pod.DeletionTimestamp != nil || !c.hasSuccessor(a.Pod) {
		return
	}
	for _, name := range claimsOf(pod) {
		claim := c.run.claims.byName[name]
		if claim != nil && claim.DeletionTimestamp == nil && !metav1.IsControlledBy(claim, c.set) && pod.Spec.NodeName != "" {
			c.run.fail("I5: %s while its claim %s would be deleted with it", a, name)
		}
	}
}

// hasSuccessor tells whether somebody gets the claims of a pod.
func (c *checker) hasSuccessor(pod *corev1.Pod) bool {
	return c.set.Spec.ScaleStrategy.EnablePVCReuse && !isSpecified(c.set, pod) && !c.isTemporary(pod)
}

// claimGoes is called when a claim is deleted, by whomever: no pod that stays may use it.
func (r *run) claimGoes(claim *corev1.PersistentVolumeClaim, by string) {
	r.note("claim %s is deleted by %s", claim.Name, by)
	if by == "somebody" {
		return
	}
	for _, pod := range r.world.Pods() {
		uses := isAlive(pod) && slices.Contains(claimsOf(pod), claim.Name) && pod.Spec.NodeName != ""
		if uses && !r.late.made[pod.Name] && !r.late.madeForAnother(claim, pod) {
			r.fail("I5: claim %s of pod %s is deleted by %s", claim.Name, pod.Name, by)
		}
	}
}

// status is I8, and I5 for the container whose image never changes.
func (c *checker) status(status *appsv1beta1.CloneSetStatus) {
	updated, available, honest := 0, 0, 0
	for _, pod := range c.in.Pods {
		if !isAlive(pod) {
			continue
		}
		if c.looksAvailable(pod) {
			available++
		}
		if pod.Labels[appsv1beta1.RevisionLabel] == c.asked.Name && c.mayCount(pod) {
			honest++
			if c.looksAvailable(pod) {
				updated++
			}
		}
	}
	if int(status.UpdatedReplicas) > honest && !c.run.isBlind() {
		c.run.fail("I8: %d pods are counted updated, no more than %d are", status.UpdatedReplicas, honest)
	}
	if int(status.AvailableReplicas) > available {
		c.run.fail("I8: %d pods are counted available, no more than %d are", status.AvailableReplicas, available)
	}
	c.complete(status, updated)
	c.identity()
}

// complete is I8 for what is said of the rollout as a whole.
func (c *checker) complete(status *appsv1beta1.CloneSetStatus, updated int) {
	// Where the status named none yet, the stable revision is found out from the pods, and that is no advance.
	advanced := status.CurrentRevision != c.in.Revisions.Current.Name && status.CurrentRevision == c.asked.Name
	if advanced {
		c.isProven()
	}
	progressing := meta.FindStatusCondition(status.Conditions, appsv1beta1.ConditionProgressing)
	done := progressing != nil && progressing.Reason == appsv1beta1.ReasonComplete
	if (advanced || done) && updated < replicasOf(c.set) && !c.run.isBlind() {
		c.run.fail("I8: the rollout is said to be complete, and %d of %d pods are", updated, replicasOf(c.set))
	}
}

// identity is I5 for the container that is always left alone.
func (c *checker) identity() {
	for _, pod := range c.run.world.Pods() {
		if starts := c.run.world.Starts(pod.UID, steady); starts > 1+c.run.steadies[pod.UID] && !c.run.shaken[pod.UID] {
			c.run.fail("I5: the container %s of %s was started %d times", steady, pod.Name, starts)
		}
	}
}

// mayCount tells whether a pod at the update revision may be counted updated.
func (c *checker) mayCount(pod *corev1.Pod) bool {
	return c.run.edited[pod.UID] || c.run.hurried[pod.UID] || c.mayRun(pod)
}

// hurries takes note that a pod was to restart a container with an image that its node lacks, before an earlier restart was
// confirmed. A container that no status had shown by then may stay in the status for as long as the kubelet pulls: the guess
// that it is the wanted one, for it stays, may be early, by the rules of the update.
func (c *checker) hurries(a *plan.Action) {
	state, images := inplace.ReadState(a.Pod), imagesOf(a.Patch)
	if state == nil {
		return
	}
	for _, name := range restarted(a.Patch, a.Pod) {
		again := func(r inplace.Record) bool { return r.Name == name && !r.Done }
		if slices.ContainsFunc(state.Records, again) && !c.run.world.HasImage(a.Pod.Spec.NodeName, images[name]) {
			c.run.hurried[a.Pod.UID] = true
		}
	}
}

// mayRun tells whether no container of a pod runs an image that the pod does not ask for, or that its template does not.
func (c *checker) mayRun(pod *corev1.Pod) bool {
	for _, want := range containersIn(&c.asked.Template.Spec) {
		if runs, ok := c.run.runsWhat(pod, want.Name, want.Image); ok && !runs || c.run.owes(pod, want.Name, c.asked.Name) {
			return false
		}
		if !c.run.hasResources(pod, want) {
			return false
		}
	}
	return true
}

// isBlind tells whether nobody can say for sure what pods run: their kubelets report no generation, or somebody has overwritten
// the state of one, from which digests are learned for all.
func (r *run) isBlind() bool { return r.undated || r.pinnedOnce && len(r.garbled) > 0 }
