package integration_test

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// reasonOf returns the reason of the condition Progressing.
func reasonOf(set *appsv1beta1.CloneSet) string {
	if c := meta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing); c != nil {
		return c.Reason
	}
	return ""
}

func messageOf(set *appsv1beta1.CloneSet) string {
	if c := meta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing); c != nil {
		return c.Message
	}
	return ""
}

// expectConditions checks the status of each condition, in the order Available, Progressing, Reconciling, Stalled.
func (e *env) expectConditions(set *appsv1beta1.CloneSet, want ...metav1.ConditionStatus) {
	e.Helper()
	for i, kind := range []string{
		appsv1beta1.ConditionAvailable, appsv1beta1.ConditionProgressing,
		appsv1beta1.ConditionReconciling, appsv1beta1.ConditionStalled,
	} {
		if !meta.IsStatusConditionPresentAndEqual(set.Status.Conditions, kind, want[i]) {
			e.Errorf("condition %s is not %s: %+v", kind, want[i], set.Status.Conditions)
		}
	}
}

// untilReason waits for the condition Progressing to have a reason and a message that contains a text.
func (e *env) untilReason(reason, text string) *appsv1beta1.CloneSet {
	e.Helper()
	return e.untilSet("want Progressing "+reason+" "+text, func(set *appsv1beta1.CloneSet) bool {
		return reasonOf(set) == reason && strings.Contains(messageOf(set), text)
	})
}

// untilEvent waits for an event about the test's CloneSet.
func (e *env) untilEvent(reason, text string) {
	e.Helper()
	e.until(func() (bool, string) {
		for _, event := range e.view.Events(app) {
			if event.Reason == reason && strings.Contains(event.Message, text) {
				return true, ""
			}
		}
		return false, "no event " + reason + " " + text + ":\n" + e.view.Describe(app)
	})
}
