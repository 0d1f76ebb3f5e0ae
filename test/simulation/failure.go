package simulation

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// failurePolicy draws what is done when pods fail.
func failurePolicy(t *rapid.T) func(*spec) {
	drawn := appsv1beta1.FailurePolicy{Action: rapid.SampledFrom([]appsv1beta1.FailureAction{
		appsv1beta1.PauseOnFailure, appsv1beta1.RollbackOnFailure, appsv1beta1.RollbackOnFailure, appsv1beta1.RecreateOnFailure,
	}).Draw(t, "failurePolicy.action")}
	if rapid.Bool().Draw(t, "failurePolicy.maxFailed is set") {
		drawn.MaxFailed = number(t, "failurePolicy.maxFailed", "1", "2", "50%", "4")
	}
	return func(s *spec) { s.UpdateStrategy.RollingUpdate.FailurePolicy = drawn }
}

// allowedOf returns at how many failed pods a rollout ends.
func allowedOf(set *appsv1beta1.CloneSet) int {
	allowed := max(maxUnavailableOf(set), 1)
	if limit := set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.MaxFailed; limit != nil {
		allowed = max(evaluate(*limit, replicasOf(set), math.Ceil), 1)
	}
	return max(min(allowed, maxUnavailableOf(set)+maxSurgeOf(set), replicasOf(set)-partitionOf(set)), 1)
}

// target returns what was observed with the revision as the update one that pods are to be brought to: the stable one where
// the one of the template was given up.
func (r *run) target(in *plan.Input) (target *plan.Input, givenUp bool) {
	if in.Revisions.Update.Name == in.Revisions.Current.Name || !r.history.isGivenUp(in.Revisions.Update.Name) {
		return in, false
	}
	back := *in
	back.Revisions.Update = in.Revisions.Current
	return &back, true
}

// bringing is when a pod was brought to a revision, and which of its containers were started for it.
type bringing struct {
	revision   string
	at         time.Time
	containers []string
}

// bring takes note of a write that brings a pod to a revision.
func (r *run) bring(a *plan.Action, pod *corev1.Pod) {
	if a.Kind != plan.CreatePod && a.Kind != plan.UpdateInPlace {
		return
	}
	b := bringing{revision: pod.Labels[appsv1beta1.RevisionLabel], at: r.world.Now()}
	if a.Kind == plan.CreatePod {
		for _, c := range containersIn(&pod.Spec) {
			b.containers = append(b.containers, c.Name)
		}
	} else if b.containers = restarted(a.Patch, a.Pod); r.brought[pod.UID].revision == b.revision {
		return // It is the next batch of the same update.
	}
	r.brought[pod.UID] = b
}

// hasFailed tells whether a container of a pod was seen to be in a crash loop that began after it was started for the
// revision that the pod is at.
func (r *run) hasFailed(seen *corev1.Pod) bool {
	b, ok := r.brought[seen.UID]
	if !ok || b.revision != seen.Labels[appsv1beta1.RevisionLabel] || r.edited[seen.UID] || isReady(seen) {
		return false
	}
	return slices.ContainsFunc(seen.Status.ContainerStatuses, func(status corev1.ContainerStatus) bool {
		waiting, ended := status.State.Waiting, status.LastTerminationState.Terminated
		return waiting != nil && waiting.Reason == "CrashLoopBackOff" && ended != nil && ended.ExitCode == 1 &&
			ended.StartedAt.After(b.at.Add(time.Second)) && slices.Contains(b.containers, status.Name)
	})
}

// failures is I11.
func (c *checker) failures(a *plan.Action) {
	switch {
	case a.Kind == plan.GiveUp:
		c.givesUp(a)
	case a.Kind == plan.Recreate && c.isAsked(a.Pod) && !c.givenUp && !isStranded(c.set, a.Pod) && !mayBeReplaced(a.Pod):
		c.mayDo(appsv1beta1.RecreateOnFailure, a)
	case bringsTo(a, c.asked.Name):
		c.mayBring(a)
	}
}

// mayBring is I11 for an action that brings a pod to the revision of the template.
func (c *checker) mayBring(a *plan.Action) {
	if c.givenUp {
		c.run.fail("I11: %s, and that revision was given up", a)
	}
	if c.asked.Name == c.in.Revisions.Current.Name || !updatesPods(c.set) {
		return
	}
	failed := 0
	for _, pod := range c.in.Pods {
		if c.isAsked(pod) && c.run.hasFailed(pod) {
			failed++
		}
	}
	if allowed := allowedOf(c.set); failed >= allowed {
		c.run.fail("I11: %s when %d pods have failed there, of %d that may", a, failed, allowed)
	}
}

// mayDo is I11 for what the user has to ask for.
func (c *checker) mayDo(action appsv1beta1.FailureAction, a *plan.Action) {
	if c.set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action != action || !updatesPods(c.set) {
		c.run.fail("I11: %s, which nobody wants", a)
	}
}

// isAsked tells whether a pod is one of those at the revision of the template.
func (c *checker) isAsked(pod *corev1.Pod) bool {
	return isAlive(pod) && pod.Labels["app"] == "web" && pod.Labels[appsv1beta1.RevisionLabel] == c.asked.Name
}

// bringsTo tells whether an action brings a pod to a revision that it is not at yet.
func bringsTo(a *plan.Action, revision string) bool {
	switch a.Kind {
	case plan.CreatePod:
		return a.Pod.Labels[appsv1beta1.RevisionLabel] == revision
	case plan.UpdateInPlace:
		return a.Pod.Labels[appsv1beta1.RevisionLabel] != revision && leavesRevision(a, revision)
	}
	return false
}

// givesUp is I11 for a revision that is given up: some pods at it do not run, and the user wants it.
func (c *checker) givesUp(a *plan.Action) {
	c.mayDo(appsv1beta1.RollbackOnFailure, a)
	if a.Revision.Name != c.asked.Name || a.Revision.Name == c.in.Revisions.Current.Name {
		c.run.fail("I11: %s, which is not on its way", a)
	}
	if !slices.ContainsFunc(c.in.Pods, func(pod *corev1.Pod) bool { return c.isAsked(pod) && c.mayFail(pod) }) {
		c.run.fail("I11: %s, where all pods run, or will in a moment", a)
	}
}

// isProven is I11 for a revision that becomes the stable one where one goes back to that: no pod at it runs what crashes, since
// that never runs for as long as has to be waited for.
func (c *checker) isProven() {
	if c.set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action != appsv1beta1.RollbackOnFailure || c.run.isBlind() {
		return
	}
	for _, pod := range c.in.Pods {
		if !c.isAsked(pod) || c.run.edited[pod.UID] {
			continue
		}
		for _, container := range containersIn(&pod.Spec) {
			if asksFor(container, "app:crash") {
				c.run.fail("I11: revision %s gets the stable one, and %s of %s crashes", c.asked.Name, container.Name, pod.Name)
			}
		}
	}
}

// asksFor tells whether a container is to run the image of a tag, by that or by its digest.
func asksFor(container *corev1.Container, tag string) bool {
	asked, digest, _ := strings.Cut(container.Image, "@")
	return asked == tag || digest == kubelet.DigestOf(tag)
}

// mayFail tells whether there is a reason for a pod to fail: an image that does not run, or is late, or a disturbance.
func (c *checker) mayFail(pod *corev1.Pod) bool {
	deadline := c.set.Spec.ProgressDeadlineSeconds
	if c.run.edited[pod.UID] || c.run.shaken[pod.UID] || (deadline != nil && *deadline < 60) {
		return true
	}
	return slices.ContainsFunc(containersIn(&pod.Spec), func(container *corev1.Container) bool {
		tag, _, _ := strings.Cut(container.Image, "@")
		return slices.Contains([]string{"app:missing", "app:late"}, tag) || asksFor(container, "app:crash")
	})
}

// annotate changes the annotations of a revision.
func (h *history) annotate(name string, patch []byte) {
	var change struct {
		Metadata struct {
			UID         types.UID
			Annotations map[string]string
		}
	}
	at := h.find(name)
	if err := json.Unmarshal(patch, &change); err != nil || at < 0 || h.kept[at].UID != change.Metadata.UID {
		return
	}
	annotated := h.kept[at].DeepCopy()
	if annotated.Annotations == nil {
		annotated.Annotations = map[string]string{}
	}
	maps.Copy(annotated.Annotations, change.Metadata.Annotations)
	h.kept = slices.Clone(h.kept)
	h.kept[at] = annotated
}

// pardon has all revisions tried again that were given up.
func (h *history) pardon() {
	h.kept = slices.Clone(h.kept)
	for i, one := range h.kept {
		pardoned := one.DeepCopy()
		delete(pardoned.Annotations, appsv1beta1.FailureAnnotation)
		h.kept[i] = pardoned
	}
}

// crashes has a release come that does not run, and that is to be taken back.
func crashes(s *spec) {
	s.UpdateStrategy.RollingUpdate.FailurePolicy = appsv1beta1.FailurePolicy{Action: appsv1beta1.RollbackOnFailure}
	for _, c := range containersIn(&s.Template.Spec) {
		if c.Name == main {
			c.Image = "app:crash"
		}
	}
}

// isRolledBack tells whether no pod is at the update revision, and all of them serve.
func (r *run) isRolledBack() bool {
	for _, pod := range r.owned() {
		if pod.Labels[appsv1beta1.RevisionLabel] == r.set().Status.UpdateRevision {
			return false
		}
	}
	progressing := meta.FindStatusCondition(r.set().Status.Conditions, appsv1beta1.ConditionProgressing)
	return r.isWhole() && progressing != nil && progressing.Reason == appsv1beta1.ReasonRolledBack
}

// isGivenUp tells whether pods are not to be brought to a revision.
func (h *history) isGivenUp(name string) bool {
	at := h.find(name)
	return at >= 0 && h.kept[at].Annotations[appsv1beta1.FailureAnnotation] != ""
}
