package v1beta1

import "k8s.io/apimachinery/pkg/util/intstr"

// FailureAction says what becomes of a rollout of which too many pods have failed.
//
// +kubebuilder:validation:Enum=Pause;Rollback;Recreate
type FailureAction string

const (
	// PauseOnFailure leaves the other pods as they are until enough of those that failed have recovered.
	PauseOnFailure FailureAction = "Pause"
	// RollbackOnFailure gives the revision up and brings its pods back to the stable one.
	RollbackOnFailure FailureAction = "Rollback"
	// RecreateOnFailure replaces the pods that failed after an update in place by new ones, and is PauseOnFailure otherwise.
	RecreateOnFailure FailureAction = "Recreate"
)

// FailurePolicy says what is done when pods do not come up at the revision that they were brought to.
type FailurePolicy struct {
	// maxFailed is at how many failed pods, or at which percentage of replicas, rounded up, the rollout ends. The default is
	// maxUnavailable. It is never more than may be out of service, surge pods included, or than are to be updated. Failed is
	// a pod at the update revision whose image cannot be pulled, of which a container cannot be created or started or crashes
	// again and again, or that is not ready within progressDeadlineSeconds; it has recovered when it is ready and stays so.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 1 && self <= 2147483647) : self.matches('^(100|[1-9][0-9]?)%$')",message="must be a number of pods, 1 or more, or a whole percentage from \"1%\" to \"100%\""
	MaxFailed *intstr.IntOrString `json:"maxFailed,omitempty"`

	// action is Pause, by which no further pod is brought to the update revision until enough of those that failed have
	// recovered or the template changes, or Rollback, by which the update revision is given up and its pods are brought back to
	// the stable one, in place where that is possible. A revision that was given up is remembered: setting its template
	// again touches no pod. Recreate is as Pause, but a pod that has failed after it was updated in place is replaced by a new
	// one, which may run where the old one does not; it cannot be had with the policy InPlaceOnly.
	// +optional
	// +kubebuilder:default=Pause
	Action FailureAction `json:"action,omitempty"`
}
