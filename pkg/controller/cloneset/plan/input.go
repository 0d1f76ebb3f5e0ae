package plan

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Input is what was observed of one CloneSet. Compute changes none of it.
type Input struct {
	// Set is the CloneSet.
	Set *appsv1beta1.CloneSet
	// Pods are all pods that the CloneSet owns, the terminating and the ended ones too.
	Pods []*corev1.Pod
	// Orphans are the pods without a controller that the CloneSet is to adopt.
	Orphans []*corev1.Pod
	// Rehearsals are the pods that the CloneSet owns and that pull images on nodes. They are not among its Pods.
	Rehearsals []*corev1.Pod
	// Refusal is why the last such pod could not be made, if it could not.
	Refusal *Refusal
	// Revisions are those of the CloneSet.
	Revisions Revisions
	// Sightings are what this process saw, over time, of pods whose gate is off.
	Sightings map[types.UID]*inplace.Sighting
	// Times are what this process saw of the steps of updates on their way.
	Times map[types.UID]*inplace.Times
	// UpdateTimes tell how long updates took that ended, and MoreUpdates that others are on their way. They are reported.
	UpdateTimes *appsv1beta1.UpdateTimes
	MoreUpdates bool
	// Endpoints are those of the Services. Without them nobody asks for the last one that serves.
	Endpoints Endpoints
	// Taken are names of pods that are in use by somebody else.
	Taken map[string]bool
	// Resting are names of pods that left not long ago. No other pod is given one, but for the claims that wait for it.
	Resting map[string]bool
	// CreateError is why the API server refused the last pod, if it did.
	CreateError string
	// Claims are the claims that were made for pods of the CloneSet, the terminating ones too.
	Claims []*corev1.PersistentVolumeClaim
	// ForeignClaims are names of claims that pods use and somebody else made.
	ForeignClaims map[string]bool
	// RefusedClaim is the claim that the API server refused last, if it did, and ClaimError why.
	RefusedClaim, ClaimError string
	// Budgets are the PodDisruptionBudgets of the namespace.
	Budgets []Budget
	// ResizeRefusals are what the API server said to resizes that it refused last, by pod.
	ResizeRefusals map[types.UID]ResizeRefusal
	// Now is the time, with a monotonic reading.
	Now time.Time
}

// Refusal is why the pod of a rehearsal could not be made.
type Refusal struct {
	// Revision is the one whose images were to be rehearsed.
	Revision string
	// Message is what the API server says.
	Message string
	// At is when that was.
	At time.Time
}

// Revision is a template and its name.
type Revision struct {
	// Name is the name of the ControllerRevision.
	Name string
	// Template is what it holds.
	Template *corev1.PodTemplateSpec
}

// Revisions are the revisions of a CloneSet.
type Revisions struct {
	// Update is the revision of the template.
	Update Revision
	// Current is the stable revision: the last one that all pods ran and were available at.
	Current Revision
	// Templates are the templates of all revisions that are known, by name.
	Templates map[string]*corev1.PodTemplateSpec
	// History are the revisions that are kept, oldest first, those without an owner that are to be adopted too.
	History []*appsv1.ControllerRevision
	// Lost are revisions that somebody has deleted, as they were. What is needed of them is made again.
	Lost []*appsv1.ControllerRevision
	// CollisionCount is to be reported in the status.
	CollisionCount *int32
}

// Plan is what is to be done in one pass.
type Plan struct {
	// Actions are independent of each other: each may be done whether or not another one fails.
	Actions []Action
	// Waiting are the pods whose update waits for images.
	Waiting []types.UID
	// Status is to be reported.
	Status appsv1beta1.CloneSetStatus
	// Wake is when time alone may change the plan, from now. It is zero if only an event may.
	Wake time.Duration
}
