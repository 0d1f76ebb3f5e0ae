package v1beta1

// Lifecycle holds the hooks of a pod: points at which it waits for another controller. Where a hook is in effect, the
// label apps.insitu.dev/lifecycle-state of the pod tells what it waits for.
//
// +kubebuilder:validation:XValidation:fieldPath=".preNormal.markPodNotReady",rule="!has(self.preNormal) || !has(self.preNormal.markPodNotReady) || !self.preNormal.markPodNotReady",message="must not be set: a pod does not count as available before this hook is done anyway"
type Lifecycle struct {
	// preNormal is what has to be present on a new pod before it counts as available.
	// +optional
	PreNormal *LifecycleHook `json:"preNormal,omitempty"`

	// inPlaceUpdate is what has to be taken off a pod before it is drained and updated in place, and has to be back on
	// it, after the update, before it counts as available again. A pod that has none of it is updated at once, and nothing
	// is waited for after.
	// +optional
	InPlaceUpdate *LifecycleHook `json:"inPlaceUpdate,omitempty"`

	// preDelete is what has to be taken off a pod before the controller deletes it. What deletes a pod past the
	// controller, such as an eviction, waits for finalizers only.
	// +optional
	PreDelete *LifecycleHook `json:"preDelete,omitempty"`
}

// LifecycleHook is a set of labels and finalizers of a pod.
//
// +kubebuilder:validation:XValidation:rule="(has(self.labelsHandler) && size(self.labelsHandler) > 0) || (has(self.finalizersHandler) && size(self.finalizersHandler) > 0)",message="must have a label or a finalizer; leave the hook out to wait for nothing"
type LifecycleHook struct {
	// labelsHandler are labels with their values.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="!('controller-revision-hash' in self) && self.all(k, !k.startsWith('apps.insitu.dev/'))",message="must not use labels of the controller's: controller-revision-hash and those of apps.insitu.dev"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())",message="must be valid labels"
	LabelsHandler map[string]string `json:"labelsHandler,omitempty"`

	// finalizersHandler are finalizers.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.all(f, f.contains('/') && !format.qualifiedName().validate(f).hasValue())",message="must be names with a domain, such as example.com/deregister"
	FinalizersHandler []string `json:"finalizersHandler,omitempty"`

	// markPodNotReady takes the pod out of service while it waits for this hook, by its readiness gate. Without it a pod
	// that is to be updated is drained after the hook. It cannot be set for preNormal.
	// +optional
	MarkPodNotReady bool `json:"markPodNotReady,omitempty"`
}

// LifecycleState is the value of the label apps.insitu.dev/lifecycle-state. Only pods that a hook is, or was, in effect
// for have the label.
type LifecycleState string

const (
	// LifecyclePreparingNormal is a new pod that waits for its preNormal hook.
	LifecyclePreparingNormal LifecycleState = "PreparingNormal"
	// LifecycleNormal is a pod that waits for nothing.
	LifecycleNormal LifecycleState = "Normal"
	// LifecyclePreparingUpdate is a pod that waits for its inPlaceUpdate hook to be taken off.
	LifecyclePreparingUpdate LifecycleState = "PreparingUpdate"
	// LifecycleUpdating is a pod that is being updated.
	LifecycleUpdating LifecycleState = "Updating"
	// LifecycleUpdated is a pod that was updated and waits for its inPlaceUpdate hook to be back.
	LifecycleUpdated LifecycleState = "Updated"
	// LifecyclePreparingDelete is a pod that waits for its preDelete hook to be taken off.
	LifecyclePreparingDelete LifecycleState = "PreparingDelete"
)
