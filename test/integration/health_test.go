package integration_test

import (
	"context"
	"os"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/argocd"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// What other tools make of a CloneSet: those that follow the kstatus convention, by its library, and Argo CD, by the
// script among the examples.
func TestHealth(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		reach   func(*env)
		kstatus status.Status
		argocd  string // empty for what Argo CD does not ask its script about
	}{
		"complete":           {reach: func(*env) {}, kstatus: status.CurrentStatus, argocd: "Healthy"},
		"without a replica":  {reach: (*env).reachNoReplica, kstatus: status.CurrentStatus, argocd: "Healthy"},
		"draining":           {reach: (*env).reachDraining, kstatus: status.InProgressStatus, argocd: "Progressing"},
		"failing":            {reach: (*env).reachFailing, kstatus: status.InProgressStatus, argocd: "Progressing"},
		"without its image":  {reach: (*env).reachNoImage, kstatus: status.InProgressStatus, argocd: "Progressing"},
		"paused":             {reach: (*env).reachPaused, kstatus: status.CurrentStatus, argocd: "Suspended"},
		"partition reached":  {reach: (*env).reachPartition, kstatus: status.CurrentStatus, argocd: "Suspended"},
		"not in place":       {reach: (*env).reachImpossible, kstatus: status.FailedStatus, argocd: "Degraded"},
		"deadline exceeded":  {reach: (*env).reachDeadline, kstatus: status.FailedStatus, argocd: "Degraded"},
		"left to be deleted": {reach: (*env).reachOnDelete, kstatus: status.CurrentStatus, argocd: "Suspended"},
		"being deleted":      {reach: (*env).reachDeletion, kstatus: status.TerminatingStatus},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2)
			want.reach(e)
			e.expectHealth(e.raw(), want.kstatus, want.argocd)
		})
	}
}

// Before the controller has looked at a CloneSet, and after a change that it has not seen yet, nobody may take it for
// complete.
func TestHealthBeforeTheControllerHasLooked(t *testing.T) {
	e := newQuietEnv(t)
	e.must(e.client.Create(e.ctx, e.cloneSet(app, 2)))
	e.expectHealth(e.raw(), status.InProgressStatus, "Progressing")

	m := e.startManager()
	e.untilComplete(app)
	e.stopManager(m)
	e.change(setImage(imageV2))
	e.expectHealth(e.raw(), status.InProgressStatus, "Progressing")
}

// In the whole of a rollout that goes well, nobody sees a failure, nor its end before it is there.
func TestHealthAllTheWay(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.raw().GetResourceVersion()
	e.change(setImage(imageV2))
	e.untilComplete(app)
	moving := 0
	for _, raw := range e.rawHistory(before) {
		set := e.typed(raw)
		if set.Status.ObservedGeneration == set.Generation && set.Status.UpdatedAvailableReplicas == 3 {
			e.expectHealth(raw, status.CurrentStatus, "Healthy")
			continue
		}
		moving++
		e.expectHealth(raw, status.InProgressStatus, "Progressing")
	}
	if moving < 3 {
		t.Errorf("saw %d versions of the CloneSet that are not complete, too few to tell anything", moving)
	}
}

func (e *env) reachNoReplica() {
	e.change(setReplicas(0))
	e.untilReason(appsv1beta1.ReasonComplete, "0 of 0")
}

func (e *env) reachDraining() {
	e.change(setImage(imageV2), setGrace(forEver))
	e.untilPod("is drained", isDraining)
	e.untilReason(appsv1beta1.ReasonUpdating, "0 of 2")
}

func (e *env) reachFailing() {
	e.change(setImage(brokenImage), unrehearsed)
	e.untilReason(appsv1beta1.ReasonPausedByFailures, "not found")
}

func (e *env) reachNoImage() {
	e.change(setImage(brokenImage))
	e.untilReason(appsv1beta1.ReasonRehearsalFailed, "not found")
}

func (e *env) reachPaused() {
	e.change(setImage(imageV2), setPaused(true))
	e.untilReason(appsv1beta1.ReasonPaused, "0 of 2")
}

func (e *env) reachPartition() {
	e.change(setImage(imageV2), setPartition(intstr.FromInt32(1)))
	e.untilPartitionReached(1)
}

func (e *env) reachImpossible() {
	e.change(setEnv("fast"), setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	e.untilReason(appsv1beta1.ReasonInPlaceImpossible, changedEnv)
}

func (e *env) reachDeadline() {
	e.change(setImage(brokenImage), func(set *appsv1beta1.CloneSet) { set.Spec.ProgressDeadlineSeconds = new(int32(2)) })
	e.untilReason(appsv1beta1.ReasonProgressDeadlineExceeded, "not found")
}

func (e *env) reachOnDelete() {
	e.change(setImage(imageV2), func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
	})
	e.untilReason(appsv1beta1.ReasonOnDelete, "0 of 2")
}

// reachDeletion leaves the CloneSet in its deletion until the test has ended.
func (e *env) reachDeletion() {
	const finalizer = "example.com/held"
	e.change(func(set *appsv1beta1.CloneSet) { controllerutil.AddFinalizer(set, finalizer) })
	set := e.view.CloneSet(app).DeepCopy()
	e.must(e.client.Delete(e.ctx, set))
	e.Cleanup(func() {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`))
		e.must(e.client.Patch(context.WithoutCancel(e.ctx), set, patch))
	})
}

// expectHealth checks what the library of kstatus and the script for Argo CD make of a CloneSet.
func (e *env) expectHealth(set *unstructured.Unstructured, kstatus status.Status, argoCD string) {
	e.Helper()
	result, err := status.Compute(set)
	e.must(err)
	if result.Status != kstatus {
		e.Errorf("kstatus says %s (%s), want %s, of %v", result.Status, result.Message, kstatus, set.Object["status"])
	}
	if argoCD == "" {
		return
	}
	script, err := os.ReadFile(harness.File(e, "examples/argo-cd/health.lua"))
	e.must(err)
	health, err := argocd.HealthOf(e.ctx, string(script), set.Object)
	e.must(err)
	if health.Status != argoCD {
		e.Errorf("Argo CD says %+v, want %s, of %v", health, argoCD, set.Object["status"])
	}
}

// raw returns the test's CloneSet as the API server tells it.
func (e *env) raw() *unstructured.Unstructured {
	e.Helper()
	set := &unstructured.Unstructured{}
	set.SetGroupVersionKind(appsv1beta1.CloneSetKind)
	e.must(e.client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, set))
	return set
}

// rawHistory returns all versions of the test's CloneSet since a resourceVersion.
func (e *env) rawHistory(since string) []*unstructured.Unstructured {
	e.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(appsv1beta1.CloneSetKind)
	return history[*unstructured.Unstructured](e, list, since)
}

func (e *env) typed(object *unstructured.Unstructured) *appsv1beta1.CloneSet {
	e.Helper()
	set := &appsv1beta1.CloneSet{}
	e.must(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, set))
	return set
}
