package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CloneSet keeps a number of equal pods running and brings them to a new template, in place where the change allows
// it: the pods stay, with their UID, IP, node and volumes, and only the containers whose image changed are restarted.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:shortName=clone,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.labelSelector
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.updatedReplicas`
// +kubebuilder:printcolumn:name="Target",type=integer,JSONPath=`.status.expectedUpdatedReplicas`,description="Pods that the partition lets be updated"
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.availableReplicas`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[?(@.type=="Progressing")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Progressing")].message`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.template.spec.containers[0].image`,description="Image of the first container"
// +kubebuilder:validation:XValidation:fieldPath=".metadata.name",rule="size(self.metadata.name) <= 52",message="must be at most 52 characters, so that the names of revisions fit a label"
type CloneSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the pods are to be.
	// +required
	Spec CloneSetSpec `json:"spec"`
	// status is what the controller saw last. Until it has seen anything, its observedGeneration is -1, so that tools which
	// compare it with the generation do not take a new CloneSet for a complete one.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status CloneSetStatus `json:"status,omitzero"`
}

// CloneSetSpec is the desired state of a CloneSet.
//
// +kubebuilder:validation:XValidation:fieldPath=".selector",rule="(!has(self.selector.matchLabels) || self.selector.matchLabels.all(k, has(self.template.metadata) && has(self.template.metadata.labels) && k in self.template.metadata.labels && self.template.metadata.labels[k] == self.selector.matchLabels[k]))",message="matchLabels must be among the labels of spec.template.metadata.labels"
// +kubebuilder:validation:XValidation:fieldPath=".selector",rule="!has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'Exists'] ? (has(self.template.metadata) && has(self.template.metadata.labels) && e.key in self.template.metadata.labels && (e.operator == 'Exists' || (has(e.values) && self.template.metadata.labels[e.key] in e.values))) : (!has(self.template.metadata) || !has(self.template.metadata.labels) || !(e.key in self.template.metadata.labels) || (e.operator == 'NotIn' && has(e.values) && !(self.template.metadata.labels[e.key] in e.values))))",message="matchExpressions must match the labels of spec.template.metadata.labels"
// +kubebuilder:validation:XValidation:fieldPath=".progressDeadlineSeconds",rule="!has(self.progressDeadlineSeconds) || !has(self.minReadySeconds) || self.progressDeadlineSeconds == 2147483647 || self.progressDeadlineSeconds > self.minReadySeconds",message="must be greater than minReadySeconds, for which every pod stands still; 2147483647 turns the deadline off"
// +kubebuilder:validation:XValidation:fieldPath=".updateStrategy.rollingUpdate.inPlaceUpdateStrategy.containers",rule="!has(self.updateStrategy) || !has(self.updateStrategy.rollingUpdate) || !has(self.updateStrategy.rollingUpdate.inPlaceUpdateStrategy) || !has(self.updateStrategy.rollingUpdate.inPlaceUpdateStrategy.containers) || !has(self.template.spec) || self.updateStrategy.rollingUpdate.inPlaceUpdateStrategy.containers.all(u, self.template.spec.containers.exists(c, c.name == u.name) || (has(self.template.spec.initContainers) && self.template.spec.initContainers.exists(c, c.name == u.name && has(c.restartPolicy))))",message="must name containers, or native sidecars, of spec.template"
// +kubebuilder:validation:XValidation:fieldPath=".lifecycle",rule="!has(self.lifecycle) || !has(self.selector.matchLabels) || [has(self.lifecycle.preNormal) && has(self.lifecycle.preNormal.labelsHandler) ? self.lifecycle.preNormal.labelsHandler : {}, has(self.lifecycle.inPlaceUpdate) && has(self.lifecycle.inPlaceUpdate.labelsHandler) ? self.lifecycle.inPlaceUpdate.labelsHandler : {}, has(self.lifecycle.preDelete) && has(self.lifecycle.preDelete.labelsHandler) ? self.lifecycle.preDelete.labelsHandler : {}].all(h, h.all(k, !(k in self.selector.matchLabels)))",message="labelsHandler must not name labels of spec.selector: a pod would be released when such a label is taken off"
type CloneSetSpec struct {
	// replicas is the number of pods.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Replicas *int32 `json:"replicas,omitempty"`

	// selector matches the pods of this CloneSet. It must match the labels of the template and cannot be changed. A pod
	// whose labels stop matching is released: it goes on running without an owner and is replaced.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed; create another CloneSet instead"
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",message="must not be empty"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || !('controller-revision-hash' in self.matchLabels)",message="must not use controller-revision-hash, which changes with every update"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.key != 'controller-revision-hash')",message="must not use controller-revision-hash, which changes with every update"
	Selector *metav1.LabelSelector `json:"selector"`

	// template is the pod to be made, and to which the existing pods are brought. Changes of images, of cpu and memory (of
	// containers and of native sidecars), of labels and of annotations are made in place; every other change needs new pods. A
	// new image of an ordinary init container takes effect when the sandbox of the pod starts the next time. Pods are created
	// with the readiness gate InPlaceUpdateReady added.
	// +required
	// +kubebuilder:validation:XValidation:fieldPath=".metadata.labels",rule="!has(self.metadata) || !has(self.metadata.labels) || self.metadata.labels.all(k, !format.qualifiedName().validate(k).hasValue())",message="must have keys that are qualified names, such as app or example.com/app"
	// +kubebuilder:validation:XValidation:fieldPath=".metadata.labels",rule="!has(self.metadata) || !has(self.metadata.labels) || self.metadata.labels.all(k, k != 'controller-revision-hash' && !k.startsWith('apps.insitu.dev/'))",message="must not have labels of the controller's: controller-revision-hash, or apps.insitu.dev/..."
	// +kubebuilder:validation:XValidation:fieldPath=".metadata.annotations",rule="!has(self.metadata) || !has(self.metadata.annotations) || self.metadata.annotations.all(k, !k.startsWith('apps.insitu.dev/'))",message="must not have annotations of the controller's: apps.insitu.dev/..."
	// +kubebuilder:validation:XValidation:fieldPath=".spec.containers",rule="has(self.spec) && size(self.spec.containers) > 0",message="must have at least one container"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.restartPolicy",rule="!has(self.spec) || !has(self.spec.restartPolicy) || self.spec.restartPolicy == 'Always'",message="must be Always: with any other policy a container that fails to start in place is never started again"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.activeDeadlineSeconds",rule="!has(self.spec) || !has(self.spec.activeDeadlineSeconds)",message="must not be set: the pods of a CloneSet run until they are deleted"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.containers",rule="!has(self.spec) || self.spec.containers.all(c, !has(c.restartPolicy))",message="restartPolicy must not be set on a container: only on an init container, with the value Always, which makes it a native sidecar"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.containers",rule="!has(self.spec) || self.spec.containers.all(c, !has(c.restartPolicyRules))",message="restartPolicyRules must not be set: restarts belong to the in-place update"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.initContainers",rule="!has(self.spec) || !has(self.spec.initContainers) || self.spec.initContainers.all(c, !has(c.restartPolicy) || c.restartPolicy == 'Always')",message="restartPolicy must be Always, for a native sidecar, or not be set"
	// +kubebuilder:validation:XValidation:fieldPath=".spec.initContainers",rule="!has(self.spec) || !has(self.spec.initContainers) || self.spec.initContainers.all(c, !has(c.restartPolicyRules))",message="restartPolicyRules must not be set: restarts belong to the in-place update"
	Template corev1.PodTemplateSpec `json:"template"`

	// volumeClaimTemplates are claims that every pod gets one of its own of, named template-cloneset-id, as a volume of the
	// template's name. They can be changed; pods made later get the new ones.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(c, self.exists_one(d, d.metadata.name == c.metadata.name))",message="must have names that differ: each is a volume of the pod"
	VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates,omitempty"`

	// scaleStrategy says which pods are deleted and how pods are made.
	// +optional
	// +kubebuilder:default={}
	ScaleStrategy CloneSetScaleStrategy `json:"scaleStrategy,omitempty"`

	// updateStrategy says how pods are brought to a new template.
	// +optional
	// +kubebuilder:default={}
	UpdateStrategy CloneSetUpdateStrategy `json:"updateStrategy,omitempty"`

	// revisionHistoryLimit is the number of old revisions that are kept beside those that pods still run.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`

	// minReadySeconds is for how long a pod must have been ready before it counts as available. In seconds.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`

	// progressDeadlineSeconds is for how long a rollout may stand still before it is reported as stalled. Every step of
	// a pod counts as progress: its creation, drain, restart, return and deletion. Nothing is undone when it is
	// exceeded, and the rollout goes on as soon as it can; 2147483647 turns the deadline off. In seconds.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`

	// lifecycle holds hooks: points at which a pod waits for another controller, such as the one of a load balancer
	// outside the cluster.
	// +optional
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`
}

// UpdateStrategyType says how a CloneSet is updated.
//
// +kubebuilder:validation:Enum=RollingUpdate;OnDelete
type UpdateStrategyType string

const (
	// RollingUpdateStrategyType updates pods as the template changes, a few at a time.
	RollingUpdateStrategyType UpdateStrategyType = "RollingUpdate"
	// OnDeleteStrategyType updates no pod; those that are deleted come back at the new template.
	OnDeleteStrategyType UpdateStrategyType = "OnDelete"
)

// CloneSetUpdateStrategy says how pods are brought to a new template.
type CloneSetUpdateStrategy struct {
	// type is RollingUpdate, by which pods are updated as soon as the template changes, a few at a time, or OnDelete, by
	// which none is updated, and a pod that is deleted is replaced by one of the new template.
	// +optional
	// +kubebuilder:default=RollingUpdate
	Type UpdateStrategyType `json:"type,omitempty"`

	// rollingUpdate holds the settings of a rolling update.
	// +optional
	// +kubebuilder:default={}
	RollingUpdate RollingUpdate `json:"rollingUpdate,omitempty"`
}

// PodUpdatePolicy says whether pods are updated in place.
//
// +kubebuilder:validation:Enum=ReCreate;InPlaceIfPossible;InPlaceOnly
type PodUpdatePolicy string

const (
	// ReCreatePodUpdatePolicy replaces pods by new ones, whatever changed.
	ReCreatePodUpdatePolicy PodUpdatePolicy = "ReCreate"
	// InPlaceIfPossiblePodUpdatePolicy updates in place what can be, and replaces pods otherwise.
	InPlaceIfPossiblePodUpdatePolicy PodUpdatePolicy = "InPlaceIfPossible"
	// InPlaceOnlyPodUpdatePolicy never replaces a pod for an update.
	InPlaceOnlyPodUpdatePolicy PodUpdatePolicy = "InPlaceOnly"
)

// RollingUpdate holds the settings of a rolling update.
//
// +kubebuilder:validation:XValidation:fieldPath=".failurePolicy.action",rule="!has(self.failurePolicy) || !has(self.failurePolicy.action) || self.failurePolicy.action != 'Recreate' || !has(self.podUpdatePolicy) || self.podUpdatePolicy != 'InPlaceOnly'",message="must not be Recreate with podUpdatePolicy InPlaceOnly, which never replaces a pod"
// +kubebuilder:validation:XValidation:fieldPath=".maxUnavailable",rule="!(has(self.maxUnavailable) && (type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable == '0%')) || (has(self.maxSurge) && (type(self.maxSurge) == int ? self.maxSurge != 0 : self.maxSurge != '0%'))",message="must not be 0 while maxSurge is 0: no pod could ever be updated; set one of them to 1 or more"
type RollingUpdate struct {
	// podUpdatePolicy says whether pods are updated in place: InPlaceIfPossible replaces only those pods whose change
	// cannot be made in place; InPlaceOnly leaves them as they are and reports the field that stands in the way;
	// ReCreate replaces every pod.
	// +optional
	// +kubebuilder:default=InPlaceIfPossible
	PodUpdatePolicy PodUpdatePolicy `json:"podUpdatePolicy,omitempty"`

	// partition is the number or the percentage of pods that stay at their old revision. A percentage is rounded up,
	// but, where there is more than one pod, only "100%" keeps all of them. Raising it brings no updated pod back;
	// setting the old template does, whatever the partition.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 0 && self <= 2147483647) : self.matches('^(100|[1-9]?[0-9])%$')",message="must be a number of pods, 0 or more, or a whole percentage from \"0%\" to \"100%\""
	Partition *intstr.IntOrString `json:"partition,omitempty"`

	// maxUnavailable is the number or the percentage of pods that may be out of service at a time. A percentage is
	// rounded up, or down where maxSurge is above 0. No update or deletion by the controller takes an available pod out of
	// service when fewer than replicas - maxUnavailable would be left. It can be 0 where maxSurge is not.
	// +optional
	// +kubebuilder:default="20%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 0 && self <= 2147483647) : self.matches('^(100|[1-9]?[0-9])%$')",message="must be a number of pods, 0 or more, or a whole percentage from \"0%\" to \"100%\""
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// maxSurge is the number or the percentage of pods that may exist beyond replicas during an update, so that fewer,
	// or none, have to be missed. A percentage is rounded up, and that of maxUnavailable is rounded down then. Surge pods
	// are made at the new revision, and stay; as many old pods are deleted in the end instead of being updated. With
	// volumeClaimTemplates, or the policy InPlaceOnly, it is the other way round: all old pods are updated, and the surge
	// pods are deleted in the end, with their claims.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 0 && self <= 2147483647) : self.matches('^(100|[1-9]?[0-9])%$')",message="must be a number of pods, 0 or more, or a whole percentage from \"0%\" to \"100%\""
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// priorityStrategy says which pods are updated first.
	// +optional
	PriorityStrategy *PriorityStrategy `json:"priorityStrategy,omitempty"`

	// scatterStrategy spreads the pods that have any of these labels over the order in which pods are updated, so that
	// they are not updated one right after the other.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=value
	// +kubebuilder:validation:MaxItems=32
	ScatterStrategy []ScatterTerm `json:"scatterStrategy,omitempty"`

	// paused stops the choice of further pods to update. Pods that are drained and not patched yet go back into
	// service; pods that are patched are confirmed. No surge pods are made. Scaling goes on.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// failurePolicy says what is done when pods do not come up at the new revision.
	// +optional
	// +kubebuilder:default={}
	FailurePolicy FailurePolicy `json:"failurePolicy,omitempty"`

	// inPlaceUpdateStrategy holds the settings of in-place updates.
	// +optional
	// +kubebuilder:default={}
	InPlaceUpdateStrategy InPlaceUpdateStrategy `json:"inPlaceUpdateStrategy,omitempty"`
}

// DefaultGracePeriodSeconds is the default of gracePeriodSeconds, in seconds.
const DefaultGracePeriodSeconds = 2

// DefaultDrainTimeoutSeconds is the default of drain.timeoutSeconds, in seconds.
const DefaultDrainTimeoutSeconds = 300

// InPlaceUpdateStrategy holds the settings of in-place updates.
//
// +kubebuilder:validation:XValidation:fieldPath=".imagePreDownloadParallelism",rule="!has(self.imagePreDownloadParallelism) || !has(self.rehearsal) || !has(self.rehearsal.parallelism)",message="must not be set beside rehearsal.parallelism, which says the same"
// +kubebuilder:validation:XValidation:fieldPath=".imagePreDownloadTimeoutSeconds",rule="!has(self.imagePreDownloadTimeoutSeconds) || !has(self.rehearsal) || !has(self.rehearsal.timeoutSeconds)",message="must not be set beside rehearsal.timeoutSeconds, which says the same"
type InPlaceUpdateStrategy struct {
	// gracePeriodSeconds is how long a pod that is out of service is left alone before its containers are restarted, so
	// that what still sends it requests learns of it and what it has begun ends. It starts when the pod is seen not
	// ready and no endpoint of it is serving any more. The default is what kube-proxy needs, which applies changes once a
	// second at most, and a second more; 0 is allowed where lost requests do not matter. In seconds.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// drain says what else a pod that is out of service waits for, before the grace period begins.
	// +optional
	Drain *DrainStrategy `json:"drain,omitempty"`

	// containers says how single containers and native sidecars are updated. Those that are not named have the priority
	// 0 and need a drain.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Containers []ContainerUpdate `json:"containers,omitempty"`

	// resources says what a change of a container's cpu or memory does to its pods. Resize changes running pods, where
	// Kubernetes can do that: nothing is restarted, unless the container's resizePolicy asks for it. Where it cannot, and with
	// Recreate always, pods are replaced, as podUpdatePolicy allows it.
	// +optional
	// +kubebuilder:default=Resize
	Resources ResourcesUpdate `json:"resources,omitempty"`

	// rehearsal says how new images are pulled, and so proved to be there, before any container is stopped for them.
	// +optional
	// +kubebuilder:default={}
	Rehearsal Rehearsal `json:"rehearsal,omitempty"`

	// sameImage says what becomes of a container whose new image has, on its node, the digest that the container runs already,
	// as when a release was tagged anew: Restart restarts it, and Skip leaves it as it is, so that a pod of which nothing is
	// left to be restarted is at the new revision with no drain. What is not known to be the same is restarted, and so is what
	// kubectl.kubernetes.io/restartedAt asks for.
	// +optional
	// +kubebuilder:default=Restart
	SameImage SameImage `json:"sameImage,omitempty"`

	// pin is Digest, by which all pods of a revision get the digest that its images were found to have first, so that a tag
	// that moves meanwhile makes no two kinds of pods, or None, by which every node finds out for itself. A digest stays with
	// the revision: a pod that is made later, or brought back to it, gets the same.
	// +optional
	// +kubebuilder:default=None
	Pin PinPolicy `json:"pin,omitempty"`

	// imagePreDownloadParallelism is another name of rehearsal.parallelism.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ImagePreDownloadParallelism *int32 `json:"imagePreDownloadParallelism,omitempty"`

	// imagePreDownloadTimeoutSeconds is another name of rehearsal.timeoutSeconds. In seconds.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ImagePreDownloadTimeoutSeconds *int32 `json:"imagePreDownloadTimeoutSeconds,omitempty"`

	// imagePreDownloadMinUpdatedReadyPods is how many pods must be updated and ready before images are pulled ahead, for
	// pods whose turn is yet to come. Until then they are pulled for those only that are next.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	ImagePreDownloadMinUpdatedReadyPods int32 `json:"imagePreDownloadMinUpdatedReadyPods,omitempty"`
}

// ResourcesUpdate says how a change of resources is made.
//
// +kubebuilder:validation:Enum=Resize;Recreate
type ResourcesUpdate string

const (
	// ResizeForResources changes the resources of running pods, where that can be done.
	ResizeForResources ResourcesUpdate = "Resize"
	// RecreateForResources replaces pods.
	RecreateForResources ResourcesUpdate = "Recreate"
)

// DrainStrategy says when nothing sends a drained pod requests any more.
type DrainStrategy struct {
	// untilCondition is the type of a condition of the pod, such as example.com/drained, that the application or the
	// controller of a load balancer sets to True when nothing sends the pod requests any more and what it has begun has
	// ended. It is waited for once the pod is not ready and no endpoint of it is serving; then the grace period begins. When
	// the pod is taken out of service, the condition is set to False with the reason Draining, so that a value from before
	// does not count. It must have a prefix, as a label's key has one.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	UntilCondition string `json:"untilCondition,omitempty"`

	// timeoutSeconds is for how long the condition is waited for. After that the update goes on, and the event that tells
	// of it says so. The default is 300. In seconds.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// DrainPolicy says whether a pod has to be out of service while one of its containers is restarted.
//
// +kubebuilder:validation:Enum=Required;NotRequired
type DrainPolicy string

const (
	// DrainRequired takes the pod out of service first.
	DrainRequired DrainPolicy = "Required"
	// DrainNotRequired leaves the pod in service: the container has nothing to do with its traffic.
	DrainNotRequired DrainPolicy = "NotRequired"
)

// ContainerUpdate says how a container, or a native sidecar, is updated in place.
type ContainerUpdate struct {
	// name is the name of the container.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// priority orders the containers of one pod that are updated together: those of the highest priority are restarted
	// first, and those of a lower one as soon as these run and are ready. It is any number; the default is 0.
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// drain says whether the pod has to be out of service while this container is restarted: Required, or NotRequired
	// for one that has nothing to do with its traffic, such as a log shipper. A pod is drained if any of the containers
	// that are restarted requires it. Whether drained or not, the pod counts against maxUnavailable until the container
	// runs.
	// +optional
	// +kubebuilder:default=Required
	Drain DrainPolicy `json:"drain,omitempty"`
}

// CloneSetStatus is what the controller saw last.
type CloneSetStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration"`
	// replicas is the number of pods that are not terminating and have not ended.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is the number of pods that are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// availableReplicas is the number of pods that have been ready for minReadySeconds, and wait for no hook.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`
	// updatedReplicas is the number of pods whose containers were seen to run the update revision.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// updatedReadyReplicas is the number of updated pods that are ready.
	// +optional
	UpdatedReadyReplicas int32 `json:"updatedReadyReplicas"`
	// updatedAvailableReplicas is the number of updated pods that are available.
	// +optional
	UpdatedAvailableReplicas int32 `json:"updatedAvailableReplicas"`
	// expectedUpdatedReplicas is the number of pods that the partition lets be updated.
	// +optional
	ExpectedUpdatedReplicas int32 `json:"expectedUpdatedReplicas"`
	// updateRevision is the name of the ControllerRevision of the template.
	// +optional
	UpdateRevision string `json:"updateRevision,omitempty"`
	// currentRevision is the name of the stable ControllerRevision: the last one that all pods ran and were available
	// at. Pods that the partition keeps are made from it.
	// +optional
	CurrentRevision string `json:"currentRevision,omitempty"`
	// collisionCount is the number of times the name of a revision was found to be taken by another template.
	// +optional
	CollisionCount *int32 `json:"collisionCount,omitempty"`
	// recreateField is the JSON path of the field because of which pods were, or are being, replaced on the way to the
	// update revision. It is empty if all of them were updated in place.
	// +optional
	RecreateField string `json:"recreateField,omitempty"`
	// lastProgressTime is when the rollout moved last; progressDeadlineSeconds counts from it.
	// +optional
	LastProgressTime *metav1.Time `json:"lastProgressTime,omitempty"`
	// labelSelector is the selector as a string, for the scale subresource.
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
	// conditions are Available, Progressing, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// updateTimes tell how long in-place updates took. They are those of the last revision that a pod was updated to in place.
	// +optional
	UpdateTimes *UpdateTimes `json:"updateTimes,omitempty"`
	// podNotes tell why pods are not as they should be, or are replaced: at most ten, the first by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	PodNotes []PodNote `json:"podNotes,omitempty"`
}

// PodNote tells why one pod is not as it should be, or why it is replaced.
type PodNote struct {
	// name is the name of the pod.
	Name string `json:"name"`
	// reason is one word: a reason of the kubelet's, such as ErrImagePull, or one of the controller's.
	Reason string `json:"reason"`
	// message is for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// CloneSetList is a list of CloneSets.
//
// +kubebuilder:object:root=true
type CloneSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []CloneSet `json:"items"`
}
