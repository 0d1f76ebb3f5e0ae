package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// maxMessage is how long the message of a condition may be, in bytes. The API allows 32,768; nobody reads that.
const maxMessage = 1024

// verdict is what the conditions say of the rollout.
type verdict struct {
	progressing metav1.ConditionStatus
	reason      string
	message     string
	// moving tells that the pods are not yet as the spec asks for.
	moving bool
	// stalled tells that only a change of the spec helps.
	stalled bool
}

func setInvalid(status *appsv1beta1.CloneSetStatus, in *Input, message string) {
	set(status, in, verdict{
		progressing: metav1.ConditionFalse, reason: appsv1beta1.ReasonInvalidSpec, stalled: true,
		message: message + "; no pod is touched until this is mended",
	})
}

// setConditions sets all conditions of a valid CloneSet.
func (p *planner) setConditions(status *appsv1beta1.CloneSetStatus) {
	available := metav1.Condition{
		Type: appsv1beta1.ConditionAvailable, Status: metav1.ConditionTrue,
		Reason:  appsv1beta1.ReasonMinimumReplicasAvailable,
		Message: fmt.Sprintf("%d of %d pods are available", status.AvailableReplicas, p.limits.replicas),
	}
	if int(status.AvailableReplicas) < p.limits.replicas-p.limits.maxUnavailable {
		available.Status = metav1.ConditionFalse
		available.Reason = appsv1beta1.ReasonMinimumReplicasUnavailable
	}
	setOne(status, p.in, available)
	set(status, p.in, p.applyDeadline(p.judge(status), status))
}

// judge tells how the rollout goes.
func (p *planner) judge(status *appsv1beta1.CloneSetStatus) verdict {
	counts := p.tell(status)
	done := int(status.UpdatedAvailableReplicas) >= p.toBeAvailable(status) &&
		int(status.Replicas) == p.limits.replicas && p.doomed() == 0
	failure, failed := p.judgeFailures(status, counts)
	switch {
	case p.blocked != "":
		return verdict{metav1.ConditionFalse, appsv1beta1.ReasonInPlaceImpossible, p.blocked + ", and podUpdatePolicy is InPlaceOnly:" +
			" set the template back, or the policy to InPlaceIfPossible", false, true}
	case p.in.CreateError != "" && int(status.Replicas) < p.limits.replicas:
		return verdict{metav1.ConditionTrue, appsv1beta1.NoteCreateFailed, "a pod could not be created: " + p.in.CreateError, true, false}
	case failed:
		return failure
	case done && len(p.view.old) == 0:
		return verdict{metav1.ConditionTrue, appsv1beta1.ReasonComplete, counts, false, false}
	case p.isTroubled():
		return p.judgeTroubled(counts)
	case done:
		return verdict{metav1.ConditionTrue, appsv1beta1.ReasonPartitionReached, counts, false, false}
	}
	return p.judgeUnfinished(status, counts)
}

// tell tells how far the rollout is, and what holds it back.
func (p *planner) tell(status *appsv1beta1.CloneSetStatus) string {
	text := fmt.Sprintf("%d of %d pods are updated, %d of them available",
		status.UpdatedReplicas, status.ExpectedUpdatedReplicas, status.UpdatedAvailableReplicas)
	if doomed := p.doomed(); doomed > 0 {
		text += fmt.Sprintf("; %d are to be deleted", doomed)
	}
	text = and(text, p.awaitedResizes())
	if awaited := p.awaitedBudgets(); awaited != "" {
		text += "; " + awaited
	}
	if moved := p.moved(); moved != "" {
		text += "; " + moved
	}
	return text
}

// isTroubled tells whether there is more to some pods than that they have to be waited for, or their nodes lack images.
func (p *planner) isTroubled() bool { return p.troubled() != "" || len(p.images.waits) > 0 }

// judgeTroubled tells which pods cannot run, or wait for images.
func (p *planner) judgeTroubled(counts string) verdict {
	reason, waiting := p.waitingForImages()
	troubled := p.troubled()
	if troubled != "" {
		reason = appsv1beta1.ReasonPodsFailing
	}
	return verdict{metav1.ConditionTrue, reason, and(counts, troubled, waiting), true, false}
}

// and joins the parts of a message, those left out that say nothing.
func and(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "; ")
}

// toBeAvailable returns how many pods have to be updated and available. A partition that was raised when all pods were at
// the update revision keeps none of them, and all of them are to come up.
func (p *planner) toBeAvailable(status *appsv1beta1.CloneSetStatus) int {
	if len(p.view.old) == 0 {
		return p.limits.replicas
	}
	return int(status.ExpectedUpdatedReplicas)
}

// judgeUnfinished tells why pods are left to be updated, with nothing wrong with any of them.
func (p *planner) judgeUnfinished(status *appsv1beta1.CloneSetStatus, counts string) verdict {
	strategy := &p.in.Set.Spec.UpdateStrategy
	switch {
	case p.onlyHeld() && int(status.Replicas) >= p.limits.replicas:
		return verdict{metav1.ConditionTrue, appsv1beta1.ReasonAwaitingDisruptionBudget, counts, true, false}
	case p.onlyResizes() && int(status.Replicas) >= p.limits.replicas:
		return verdict{metav1.ConditionTrue, appsv1beta1.ReasonAwaitingResize, counts, true, false}
	case len(p.view.old) == 0:
	case strategy.Type == appsv1beta1.OnDeleteStrategyType:
		counts += "; the others are updated as they are deleted"
		return verdict{metav1.ConditionTrue, appsv1beta1.ReasonOnDelete, counts, !p.standsStill(status), false}
	case strategy.RollingUpdate.Paused:
		return verdict{metav1.ConditionUnknown, appsv1beta1.ReasonPaused, counts, !p.standsStill(status), false}
	}
	return verdict{metav1.ConditionTrue, appsv1beta1.ReasonUpdating, counts, true, false}
}

// standsStill tells whether all pods are there and ready, at whatever revision.
func (p *planner) standsStill(status *appsv1beta1.CloneSetStatus) bool {
	return p.doomed() == 0 && int(status.ReadyReplicas) == int(status.Replicas) && int(status.Replicas) == p.limits.replicas+p.counts.surge
}

// doomed returns how many pods are deleted in this pass, or wait until they can be spared.
func (p *planner) doomed() int {
	doomed := len(p.leaving)
	for m := range p.all() {
		if m.specified {
			doomed++
		}
	}
	return doomed
}

// troubled lists the pods that have more to them than that they have to be waited for.
func (p *planner) troubled() string {
	var texts []string
	for _, note := range p.notes {
		if weight(note) == wrong {
			texts = append(texts, fmt.Sprintf("%s: %s: %s", note.Name, note.Reason, note.Message))
		}
	}
	return strings.Join(texts, "; ")
}

// set sets the conditions that speak of the rollout.
func set(status *appsv1beta1.CloneSetStatus, in *Input, v verdict) {
	setOne(status, in, metav1.Condition{
		Type: appsv1beta1.ConditionProgressing, Status: v.progressing, Reason: v.reason, Message: v.message,
	})
	setOne(status, in, flag(appsv1beta1.ConditionReconciling, v.moving, v))
	setOne(status, in, flag(appsv1beta1.ConditionStalled, v.stalled, v))
}

func flag(kind string, raised bool, v verdict) metav1.Condition {
	if !raised {
		return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: appsv1beta1.ReasonAsSpecified}
	}
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: v.reason, Message: v.message}
}

func setOne(status *appsv1beta1.CloneSetStatus, in *Input, condition metav1.Condition) {
	condition.ObservedGeneration = in.Set.Generation
	condition.LastTransitionTime = metav1.NewTime(in.Now)
	if len(condition.Message) > maxMessage {
		condition.Message = strings.ToValidUTF8(condition.Message[:maxMessage-3], "") + "..."
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}
