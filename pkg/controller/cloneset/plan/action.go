package plan

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// Kind is what an action does. It is the reason of events and the label of metrics.
type Kind string

// The kinds of actions.
const (
	// CreatePod creates a pod.
	CreatePod Kind = "CreatePod"
	// ScaleIn deletes a pod, because there are too many.
	ScaleIn Kind = "ScaleIn"
	// DeleteSpecified deletes a pod that the user named.
	DeleteSpecified Kind = "DeleteSpecified"
	// Recreate deletes a pod, because its update cannot be made in place.
	Recreate Kind = "Recreate"
	// Serve brings a new pod into service.
	Serve Kind = "Serve"
	// Drain takes a pod out of service before its update.
	Drain Kind = "Drain"
	// Restore brings a drained pod back into service without an update.
	Restore Kind = "Restore"
	// UpdateInPlace patches a pod.
	UpdateInPlace Kind = "UpdateInPlace"
	// Resize asks for the resources that a patch has promised a pod.
	Resize Kind = "Resize"
	// EndResize takes note on a pod in service that it has them.
	EndResize Kind = "EndResize"
	// Confirm brings a pod back into service after its update was seen to be done.
	Confirm Kind = "Confirm"
	// PrepareUpdate and PrepareDelete ask whoever handles the hooks to take a pod's hook off before it is updated or
	// deleted.
	PrepareUpdate Kind = "PrepareUpdate"
	PrepareDelete Kind = "PrepareDelete"
	// SetState says what a pod with hooks waits for now.
	SetState Kind = "SetState"
	// Relabel gives a pod back the label that it is found by, or takes that of a surge pod off one that is to stay.
	Relabel Kind = "Relabel"
	// Adopt takes over a pod that has no controller.
	Adopt Kind = "Adopt"
	// Release gives up a pod whose labels do not match the selector any more.
	Release Kind = "Release"
	// CleanUp deletes a pod that has ended, so that its successor can have its claims.
	CleanUp Kind = "CleanUp"
	// CreateClaim creates a claim.
	CreateClaim Kind = "CreateClaim"
	// AssignClaim changes the owner of a claim: it is deleted with its owner.
	AssignClaim Kind = "AssignClaim"
	// DeleteClaim deletes a claim that was kept for a pod that is not to come back.
	DeleteClaim Kind = "DeleteClaim"
	// Rehearse creates a pod that has a node pull images before any container there is stopped for them.
	Rehearse Kind = "Rehearse"
	// EndRehearsal deletes such a pod.
	EndRehearsal Kind = "EndRehearsal"
	// Pin records, on a revision, which digest its images have for all pods.
	Pin Kind = "Pin"
	// AdoptRevision takes over a revision that has no controller.
	AdoptRevision Kind = "AdoptRevision"
	// RestoreRevision makes a revision again that somebody has deleted, though it is needed.
	RestoreRevision Kind = "RestoreRevision"
	// Reserve takes places in a PodDisruptionBudget for pods that are about to go out of service. GiveBack gives back those
	// that are not needed any more, as Reserve does in passing.
	Reserve  Kind = "Reserve"
	GiveBack Kind = "GiveBack"
	// Recount has a PodDisruptionBudget counted anew: its numbers are said to be those of an older spec.
	Recount Kind = "Recount"
	// GiveUp gives a revision up at which too many pods have failed.
	GiveUp Kind = "GiveUp"
	// DeleteRevision deletes a revision that no pod needs and that is beyond the limit of the history.
	DeleteRevision Kind = "DeleteRevision"
)

// Verb is the API call of an action.
type Verb string

// The verbs of actions.
const (
	VerbCreate      Verb = "create"
	VerbDelete      Verb = "delete"
	VerbPatch       Verb = "patch"
	VerbPatchStatus Verb = "patch status"
	VerbPatchResize Verb = "patch resize"
)

// Action is one API call. Whoever performs it decides nothing.
type Action struct {
	// Kind is what the action does.
	Kind Kind
	// Verb is the API call.
	Verb Verb
	// Pod is the pod that is created, deleted or patched. Deletions are conditioned on its UID.
	Pod *corev1.Pod
	// Unchanged has the deletion of the pod be conditioned on its resourceVersion, too.
	Unchanged bool
	// Patch is a strategic merge patch. It carries its own preconditions.
	Patch []byte
	// Claim is the claim that is created, deleted or patched, instead of a pod. Deletions are conditioned on its UID.
	Claim *corev1.PersistentVolumeClaim
	// Revision is the revision that is created, deleted or patched, instead of a pod. Deletions are conditioned on its UID.
	Revision *appsv1.ControllerRevision
	// Budget is the PodDisruptionBudget whose status is patched, instead of a pod.
	Budget *policyv1.PodDisruptionBudget
	// Why is for people: what the action is for.
	Why string
	// Warns tells that people should look at it.
	Warns bool
}

// Name is the name of the object that is acted on.
func (a *Action) Name() string {
	switch {
	case a.Revision != nil:
		return a.Revision.Name
	case a.Claim != nil:
		return a.Claim.Name
	case a.Budget != nil:
		return a.Budget.Name
	}
	return a.Pod.Name
}

// Notable tells whether users want to hear of the action: it belongs into an event.
func (a *Action) Notable() bool {
	switch a.Kind {
	case Serve, AdoptRevision, DeleteRevision, Relabel, SetState, AssignClaim, Reserve, GiveBack, Recount, EndRehearsal, Resize, EndResize:
		return false
	}
	return true
}

// String tells what the action does.
func (a *Action) String() string {
	return fmt.Sprintf("%s %s: %s", a.Kind, a.Name(), a.Why)
}
