package v1beta1

// SameImage says what becomes of a container whose new image has the digest that it runs already.
//
// +kubebuilder:validation:Enum=Restart;Skip
type SameImage string

const (
	// RestartSameImage restarts it.
	RestartSameImage SameImage = "Restart"
	// SkipSameImage leaves it as it is.
	SkipSameImage SameImage = "Skip"
)

// PinPolicy says whether a tag means one digest for all pods of a revision.
//
// +kubebuilder:validation:Enum=None;Digest
type PinPolicy string

const (
	// PinNone has every node find out what a tag means.
	PinNone PinPolicy = "None"
	// PinDigest has all pods get the digest that was found out first.
	PinDigest PinPolicy = "Digest"
)
