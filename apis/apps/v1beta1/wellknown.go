package v1beta1

import corev1 "k8s.io/api/core/v1"

const (
	// InPlaceUpdateReady is the readiness gate through which a pod is taken out of service before one of its
	// containers is restarted, and brought back after. Every pod of a CloneSet is created with it.
	InPlaceUpdateReady corev1.PodConditionType = "InPlaceUpdateReady"

	// ManagedLabel marks the pods that belong to a CloneSet. Its value is ManagedLabelValue. The controller watches
	// pods with this label only.
	ManagedLabel = "apps.insitu.dev/managed"
	// ManagedLabelValue is the value of ManagedLabel.
	ManagedLabelValue = "true"
	// ManagedLabelRehearsal is the value of ManagedLabel on the pods of rehearsals, which are not pods of the CloneSet that
	// owns them.
	ManagedLabelRehearsal = "rehearsal"

	// RehearsalLabel carries, on the pod of a rehearsal, the revision whose images it pulls. No selector of a workload or of
	// a Service is about it, or about any other label that such a pod has.
	RehearsalLabel = "apps.insitu.dev/rehearsal"

	// RehearsalStateAnnotation records, on the pod of a rehearsal, which images it was made for, and why the one before it
	// was given up. It is JSON and belongs to the controller.
	RehearsalStateAnnotation = "apps.insitu.dev/rehearsal-state"

	// RevisionLabel carries the name of the ControllerRevision that a pod was created at or updated to.
	RevisionLabel = "controller-revision-hash"

	// InPlaceStateAnnotation records, on a pod, the last in-place update: what was patched and what ran before. It is
	// versioned JSON and belongs to the controller.
	InPlaceStateAnnotation = "apps.insitu.dev/inplace-state"

	// LastUpdateAnnotation tells, on a pod, how long the phases of its last in-place update took, as far as they are known and
	// up to the restart, and how often each container was restarted by updates. It is versioned JSON and belongs to the
	// controller.
	LastUpdateAnnotation = "apps.insitu.dev/last-update"

	// FailureAnnotation is on the ControllerRevision of a revision that was given up, and tells why. It is JSON. While it is
	// there, no pod is brought to that revision; whoever removes it has it tried again.
	FailureAnnotation = "apps.insitu.dev/failure"

	// LifecycleStateLabel tells, on a pod that a hook is in effect for, what it waits for: a LifecycleState.
	LifecycleStateLabel = "apps.insitu.dev/lifecycle-state"

	// SpecifiedDeleteLabel on a pod, whatever its value, has the controller delete it, as its name in
	// spec.scaleStrategy.podsToDelete does.
	SpecifiedDeleteLabel = "apps.insitu.dev/specified-delete"

	// SurgeLabel is on pods that were made beyond replicas for an update. Its value is SurgeTemporary where surge pods are the
	// ones deleted in the end, whatever the template is by then; a pod that is to stay after all loses it. Where surge pods
	// stay, it is the revision of that update.
	SurgeLabel = "apps.insitu.dev/surge"
	// SurgeTemporary is the value of SurgeLabel on a pod that is deleted in the end.
	SurgeTemporary = "temporary"

	// InstanceIDLabel carries, on a claim, the id of the pod that it belongs to: what the pod's name ends with.
	InstanceIDLabel = "apps.insitu.dev/instance-id"

	// DeleteProtectionAnnotation on a CloneSet protects it from being deleted. Policies of the API server heed it.
	DeleteProtectionAnnotation = "apps.insitu.dev/delete-protection"
	// DeleteProtectionAlways protects it whether there are replicas or not, and from being scaled to zero as well.
	DeleteProtectionAlways = "Always"
	// DeleteProtectionCascading protects it while there are replicas.
	DeleteProtectionCascading = "Cascading"

	// SameImagesAnnotation records, on a pod, which images its containers go on with though its revision has others, since they
	// are of the same digest. It is JSON of images by container and belongs to the controller.
	SameImagesAnnotation = "apps.insitu.dev/same-images"

	// DigestsAnnotation records, on a ControllerRevision, which digests its images have for all pods where they are pinned: JSON
	// of digests by image. An image that has none that a registry knows has an empty one.
	DigestsAnnotation = "apps.insitu.dev/digests"

	// RestartedAtAnnotation is the one by which kubectl has pods restarted. In a template it asks for a restart of all
	// containers, in place.
	RestartedAtAnnotation = "kubectl.kubernetes.io/restartedAt"

	// ChangeCauseAnnotation is the one that kubectl knows. It is carried from a CloneSet to the revision of its template.
	ChangeCauseAnnotation = "kubernetes.io/change-cause"

	// FieldOwner is the name under which the controller writes: its field manager, its user agent and its lease.
	FieldOwner = "insitu"
)

// Reasons of the InPlaceUpdateReady condition of a pod.
const (
	// GateReasonInService says that the pod may be sent traffic as far as the controller is concerned.
	GateReasonInService = "InService"
	// GateReasonDraining says that the pod was taken out of service for an in-place update.
	GateReasonDraining = "Draining"
)
