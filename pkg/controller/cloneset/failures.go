package cloneset

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// announce tells users of what the failure policy does and no action tells of: that the rollout is paused, and that the way
// back is done. It is called after the status was written.
func announce(recorder events.EventRecorder, before *appsv1beta1.CloneSet, status *appsv1beta1.CloneSetStatus) {
	now := meta.FindStatusCondition(status.Conditions, appsv1beta1.ConditionProgressing)
	was := meta.FindStatusCondition(before.Status.Conditions, appsv1beta1.ConditionProgressing)
	if now == nil || (was != nil && was.Reason == now.Reason) {
		return
	}
	kind := corev1.EventTypeNormal
	switch now.Reason {
	case appsv1beta1.ReasonPausedByFailures:
		kind = corev1.EventTypeWarning
	case appsv1beta1.ReasonRolledBack:
	default:
		return
	}
	recorder.Eventf(before, nil, kind, now.Reason, "FailurePolicy", "%s", shortened(now.Message))
}
