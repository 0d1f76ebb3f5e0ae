package apply_test

import (
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// A place is taken by one write of the status, if nobody has written the budget since.
func TestPlacesAreTakenInTheStatus(t *testing.T) {
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "web"}}
	executor, server := newServer(t, budget)
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(budget), budget); err != nil {
		t.Fatal(err)
	}
	action := plan.Action{
		Kind: plan.Reserve, Verb: plan.VerbPatchStatus, Budget: budget,
		Patch: []byte(`{"metadata":{"resourceVersion":"` + budget.ResourceVersion + `"},` +
			`"status":{"disruptedPods":{"a":"2026-03-01T13:00:00Z"},"disruptionsAllowed":1}}`),
	}
	results := executor.Do(t.Context(), []plan.Action{action})
	written := &policyv1.PodDisruptionBudget{}
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(budget), written); err != nil {
		t.Fatal(err)
	}
	if _, taken := written.Status.DisruptedPods["a"]; results[0].Err != nil || results[0].ResourceVersion != written.ResourceVersion || !taken {
		t.Errorf("got %+v, of %+v", results[0], written)
	}
	if again := executor.Do(t.Context(), []plan.Action{action})[0].Err; !apierrors.IsConflict(again) {
		t.Errorf("got %v at a resourceVersion of the past", again)
	}
	if got := server.calls; len(got) != 2 || got[0] != "patch status web" {
		t.Errorf("got calls %v", got)
	}
}

// A pod that asked no budget, since it was not ready, is deleted only if it is as it was seen.
func TestDeletionsMayBeConditionedOnTheResourceVersion(t *testing.T) {
	pod := testpods.New("a")
	executor, server := newServer(t, pod)
	seen := pod.DeepCopy()
	pod.Labels["seen"] = "no"
	if err := server.Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	action := plan.Action{Kind: plan.Recreate, Verb: plan.VerbDelete, Pod: seen, Unchanged: true}
	if err := executor.Do(t.Context(), []plan.Action{action})[0].Err; !apierrors.IsConflict(err) {
		t.Errorf("got %v for a pod that has changed", err)
	}
	action.Pod = pod
	if err := executor.Do(t.Context(), []plan.Action{action})[0].Err; err != nil {
		t.Error(err)
	}
}
