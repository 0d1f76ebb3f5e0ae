package v1beta1

const (
	// DefaultRehearsalParallelism is the default of rehearsal.parallelism.
	DefaultRehearsalParallelism = 10
	// DefaultRehearsalTimeoutSeconds is the default of rehearsal.timeoutSeconds, in seconds.
	DefaultRehearsalTimeoutSeconds = 600
)

// RehearsalPolicy says whether images are rehearsed.
//
// +kubebuilder:validation:Enum=Always;Never
type RehearsalPolicy string

const (
	// RehearseAlways has a node pull the new images before a container there is stopped for them.
	RehearseAlways RehearsalPolicy = "Always"
	// RehearseNever leaves it to the kubelet, which stops the old container before it pulls the new image.
	RehearseNever RehearsalPolicy = "Never"
)

// WhenImpossible says what is done on a node where a rehearsal cannot run.
//
// +kubebuilder:validation:Enum=Wait;Proceed
type WhenImpossible string

const (
	// WaitWhenImpossible leaves the pods of that node as they are until a rehearsal can run.
	WaitWhenImpossible WhenImpossible = "Wait"
	// ProceedWhenImpossible updates the pods of that node without a rehearsal.
	ProceedWhenImpossible WhenImpossible = "Proceed"
)

// Rehearsal says how the images of an in-place update are rehearsed: before the first container on a node is stopped, a
// short-lived pod there pulls the new images of its containers and native sidecars, with the credentials of the workload.
type Rehearsal struct {
	// policy is Always, by which no container is stopped on a node that was not seen to have the new images, or Never.
	// +optional
	// +kubebuilder:default=Always
	Policy RehearsalPolicy `json:"policy,omitempty"`

	// parallelism is on how many nodes images are pulled at a time, those included where the pull fails and is tried
	// again. The default is imagePreDownloadParallelism, or 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Parallelism *int32 `json:"parallelism,omitempty"`

	// timeoutSeconds is for how long a node may pull before the rehearsal there counts as failed, and is begun anew. The
	// default is imagePreDownloadTimeoutSeconds, or 600. In seconds.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// whenImpossible is Wait, by which the pods of a node where no rehearsal can run (for a quota, a limit range, Pod
	// Security, a full or a lost node) are left as they are until one can, or Proceed, by which they are updated without
	// one. An image that cannot be pulled is waited for in any case.
	// +optional
	// +kubebuilder:default=Wait
	WhenImpossible WhenImpossible `json:"whenImpossible,omitempty"`
}
