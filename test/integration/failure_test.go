package integration_test

import (
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

const (
	crashingImage = harness.CrashPrefix + "web:v2"
	failureField  = rolling + "failurePolicy."
)

// takingBack has a release at which so many pods fail taken back.
func takingBack(maxFailed int32) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy = appsv1beta1.FailurePolicy{
			MaxFailed: new(intstr.FromInt32(maxFailed)), Action: appsv1beta1.RollbackOnFailure,
		}
	}
}

// touched collects the pods that are ever given an image.
func (e *env) touched(image string) func() int {
	e.Helper()
	var mu sync.Mutex
	pods := sets.New[types.UID]()
	e.Cleanup(e.view.Observe(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, pod := range e.view.Pods(app) {
			if asksFor(image)(pod) {
				pods.Insert(pod.UID)
			}
		}
	}))
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return pods.Len()
	}
}

// failedRevision returns the revision that was given up.
func (e *env) failedRevision() *appsv1.ControllerRevision {
	e.Helper()
	for _, revision := range e.revisions() {
		if revision.Annotations[appsv1beta1.FailureAnnotation] != "" {
			return revision
		}
	}
	e.Fatal("no revision was given up")
	return nil
}

// A release that crashes is taken back on every pod that it came to, in place, and on no others. Setting it again does
// nothing, until what is known of it is removed; another template is rolled out as ever.
func TestCrashingReleaseIsTakenBack(t *testing.T) {
	e := newEnv(t)
	e.created(5, setMaxUnavailable(intstr.FromInt32(2)), takingBack(2))
	before := e.identities()
	leastReady, _ := e.extremes()
	touched := e.touched(crashingImage)

	e.change(setImage(crashingImage))
	set := e.untilReason(appsv1beta1.ReasonRolledBack, "2 failed of 2 that failurePolicy takes")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse, metav1.ConditionTrue)
	e.expectCount(5, "run the old image", runs(imageV1))
	e.expectCount(5, "are in service", framework.InServiceByGate)
	e.untilEvent("GiveUp", "CrashLoopBackOff, exit code 1")
	e.untilEvent("RolledBack", "take the annotation")
	writes := e.podWrites()

	e.change(setImage(imageV1))
	e.untilComplete(app)
	e.change(setImage(crashingImage))
	e.untilReason(appsv1beta1.ReasonRolledBack, "2 failed of 2")
	e.expectPodWrites(writes)
	if touched() != 2 || leastReady() < 3 {
		t.Errorf("%d pods were given the image, and at least %d were ready; want 2, and 3", touched(), leastReady())
	}

	failed := e.failedRevision()
	again := failed.DeepCopy()
	delete(again.Annotations, appsv1beta1.FailureAnnotation)
	e.must(e.client.Patch(e.ctx, again, client.MergeFrom(failed)))
	e.untilReason(appsv1beta1.ReasonRollingBack, "2 failed of 2")
	e.untilReason(appsv1beta1.ReasonRolledBack, "2 failed of 2")

	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(5, "run the new image", runs(imageV2))
}

// What was given up is known to a manager that was not there when it was.
func TestRestartedWhileAReleaseIsTakenBack(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(3, takingBack(1), setGrace(1))
	before := e.identities()
	e.change(setImage(crashingImage))
	pod := e.untilPod("has crashed", func(pod *corev1.Pod) bool {
		return asksFor(crashingImage)(pod) && !framework.IsReady(pod) && framework.InServiceByGate(pod)
	})
	m = e.restart(m, func() {})
	e.untilReason(appsv1beta1.ReasonRollingBack, "1 failed of 1")
	m = e.restart(m, func() {})
	e.untilKnown(pod, "runs the old image", runs(imageV1))
	e.restart(m, func() {})
	e.untilReason(appsv1beta1.ReasonRolledBack, "1 failed of 1")
	e.expectIdentities(before)
}

// Where a PodDisruptionBudget has no place for another pod while one fails, the release is taken back for that one.
func TestCrashingReleaseIsTakenBackUnderABudget(t *testing.T) {
	e := newEnv(t)
	e.created(4, setMaxUnavailable(intstr.FromInt32(3)), takingBack(3))
	before := e.identities()
	e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	touched := e.touched(crashingImage)
	e.change(setImage(crashingImage))
	e.untilReason(appsv1beta1.ReasonRolledBack, "1 failed of 3 that failurePolicy takes, and no other one can be updated")
	e.expectIdentities(before)
	if touched() != 1 {
		t.Errorf("%d pods were given the image, want 1", touched())
	}
}

// A pod that fails after its update in place is replaced once, and the others are left alone.
func TestPodThatFailsInPlaceIsReplacedOnce(t *testing.T) {
	e := newEnv(t)
	e.created(3, func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action = appsv1beta1.RecreateOnFailure
	})
	before := e.identities()
	e.change(setImage(crashingImage))
	e.untilEvent("Recreate", "it has failed after its update in place: container web: CrashLoopBackOff")
	e.until(func() (bool, string) {
		set := e.view.CloneSet(app)
		return e.kept(before) == 2 && set.Status.Replicas == 3 && reasonOf(set) == appsv1beta1.ReasonPausedByFailures,
			"its successor has not failed:\n" + e.view.Describe(app)
	})
	e.expectCount(2, "run the old image", runs(imageV1))
	e.change(setImage(imageV2))
	e.untilComplete(app)
	if kept := e.kept(before); kept != 2 {
		t.Errorf("%d of the 3 pods are still there, want 2", kept)
	}
}

func refusedFailurePolicies() map[string]refusal {
	of := func(field string) string { return ofRolling(`failurePolicy: {` + field + `}`) }
	const positive = "1 or more, or a whole percentage"
	return map[string]refusal{
		"no failed pod":                 {of(`maxFailed: 0`), failureField + "maxFailed", positive},
		"0 % of failed pods":            {of(`maxFailed: "0%"`), failureField + "maxFailed", positive},
		"101 % of failed pods":          {of(`maxFailed: "101%"`), failureField + "maxFailed", positive},
		"failed pods as a string":       {of(`maxFailed: "2"`), failureField + "maxFailed", positive},
		"an unknown action on failures": {of(`action: Explode`), failureField + "action", "supported values"},
		"replacing where nothing is": {
			ofRolling(`podUpdatePolicy: InPlaceOnly, failurePolicy: {action: Recreate}`), failureField + "action", "which never replaces a pod",
		},
		"an unknown field of failures": {of(`retries: 2`), failureField + "retries", "unknown field"},
	}
}
