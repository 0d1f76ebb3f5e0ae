package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UpdatePhase is a phase of the in-place update of one pod.
type UpdatePhase string

const (
	// UpdateRehearse is the time for which the update of the pod waited for the pod's node to have the new images. The pod
	// serves meanwhile.
	UpdateRehearse UpdatePhase = "Rehearse"
	// UpdateDrain is the time from when the pod was taken out of service until it was patched: requests end, the endpoints
	// follow, the grace period passes.
	UpdateDrain UpdatePhase = "Drain"
	// UpdateStop is the time from the patch until the kubelet was seen to act on it.
	UpdateStop UpdatePhase = "Stop"
	// UpdateStart is the time from there until the new containers were seen to run. The old ones end in it.
	UpdateStart UpdatePhase = "Start"
	// UpdateReady is the time from there until the pod was ready again.
	UpdateReady UpdatePhase = "Ready"
	// UpdateEndpoints is the time from there until every EndpointSlice that lists the pod had it serving.
	UpdateEndpoints UpdatePhase = "Endpoints"
	// UpdateOutOfService is all of them but the first: for how long the pod served nobody.
	UpdateOutOfService UpdatePhase = "OutOfService"
)

// UpdateTimes tell how long in-place updates took, by what one process of the controller saw.
type UpdateTimes struct {
	// revision is the name of the ControllerRevision that the pods were updated to.
	Revision string `json:"revision"`
	// updates is how many in-place updates to that revision ended, as far as the controller saw since it started.
	Updates int32 `json:"updates"`
	// phases are in the order in which they follow each other.
	// +optional
	// +listType=map
	// +listMapKey=phase
	Phases []PhaseTimes `json:"phases,omitempty"`
}

// PhaseTimes tell how long one phase of in-place updates took.
type PhaseTimes struct {
	// phase is one of Rehearse, Drain, Stop, Start, Ready, Endpoints and OutOfService.
	Phase UpdatePhase `json:"phase"`
	// count is of how many updates, the last ones, this is told: 256 at most. Updates are left out of which the beginning or
	// the end of the phase was not seen.
	Count int32 `json:"count"`
	// p50 is the median.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{1,6}(\.[0-9]{1,9})?(ns|us|µs|ms|s|m|h)([0-9]{1,2}(\.[0-9]{1,9})?(ms|s|m)){0,2}$`
	P50 metav1.Duration `json:"p50"`
	// p95 is the time that 95 of 100 updates kept to.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{1,6}(\.[0-9]{1,9})?(ns|us|µs|ms|s|m|h)([0-9]{1,2}(\.[0-9]{1,9})?(ms|s|m)){0,2}$`
	P95 metav1.Duration `json:"p95"`
}
