package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CloneSetScaleStrategy says which pods are deleted and how pods are made.
type CloneSetScaleStrategy struct {
	// podsToDelete are the names of pods to be deleted, first of all when replicas is lowered; those that are not
	// surplus are replaced. Names of pods that do not exist are ignored, and no new pod is given one of them; the list is
	// never changed by the controller. The label apps.insitu.dev/specified-delete on a pod does the same.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	PodsToDelete []string `json:"podsToDelete,omitempty"`

	// maxUnavailable is the number or the percentage of pods that may be on their way to become available, for the first
	// time, while pods are made. A percentage is rounded up. By default all missing pods are made at once.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 1 && self <= 2147483647) : self.matches('^(100|[1-9]?[0-9])%$') && self != '0%'",message="must be a number of pods, 1 or more, or a whole percentage from \"1%\" to \"100%\""
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// enablePVCReuse keeps the claims of a pod that is gone for the pod that takes its place: one that was deleted by
	// somebody, evicted, or recreated by an update. A successor is made only when the pod is gone, so that no two pods
	// use a claim at a time. Claims of pods that are deleted for good (because replicas was lowered, or because they were
	// named to be deleted) are deleted with them. By default the claims go with their pod.
	// +optional
	EnablePVCReuse bool `json:"enablePVCReuse,omitempty"`

	// excludePreparingDelete does not count pods that wait for their preDelete hook as replicas, so that their
	// replacements are made before the hook is done.
	// +optional
	ExcludePreparingDelete bool `json:"excludePreparingDelete,omitempty"`
}

// PriorityStrategy says which pods are updated first: exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="(has(self.weightPriority) && size(self.weightPriority) > 0) != (has(self.orderPriority) && size(self.orderPriority) > 0)",message="must have either weightPriority or orderPriority, and not both"
type PriorityStrategy struct {
	// weightPriority gives every pod the sum of the weights of the terms that match it; pods of a greater sum are updated
	// first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	WeightPriority []WeightPriorityTerm `json:"weightPriority,omitempty"`

	// orderPriority orders pods by the number that the value of a label ends with, greater ones first. The first of the
	// keys that a pod has decides; pods of an earlier key come first, and pods with none of the keys last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	OrderPriority []OrderPriorityTerm `json:"orderPriority,omitempty"`
}

// WeightPriorityTerm gives the pods that it matches a weight.
type WeightPriorityTerm struct {
	// weight is from 0 to 100.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`

	// matchSelector matches the pods.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",message="matchExpressions need values with In and NotIn, and none with Exists and DoesNotExist"
	MatchSelector metav1.LabelSelector `json:"matchSelector"`
}

// OrderPriorityTerm names a label whose value orders pods.
type OrderPriorityTerm struct {
	// orderedKey is the key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be the key of a label"
	OrderedKey string `json:"orderedKey"`
}

// ScatterTerm names a label by which pods are spread over the order of the update.
type ScatterTerm struct {
	// key is the key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be the key of a label"
	Key string `json:"key"`

	// value is the value of the label.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="must be the value of a label"
	Value string `json:"value"`
}
