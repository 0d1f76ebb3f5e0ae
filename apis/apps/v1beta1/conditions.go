package v1beta1

// Types of the conditions of a CloneSet.
const (
	// ConditionAvailable is True while at least replicas - maxUnavailable pods are available.
	ConditionAvailable = "Available"
	// ConditionProgressing tells how the rollout of the update revision goes: True while it moves or has ended, Unknown
	// while it is paused, False when it cannot go on.
	ConditionProgressing = "Progressing"
	// ConditionReconciling is True until the pods are as the spec asks for them to be. Tools that follow the kstatus
	// convention wait for it to be False.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the controller cannot go on without a change of the spec, and when the rollout has not
	// moved for spec.progressDeadlineSeconds. Tools that follow the kstatus convention report a failure then.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions of a CloneSet.
const (
	// ReasonMinimumReplicasAvailable: Available is True.
	ReasonMinimumReplicasAvailable = "MinimumReplicasAvailable"
	// ReasonMinimumReplicasUnavailable: Available is False.
	ReasonMinimumReplicasUnavailable = "MinimumReplicasUnavailable"
	// ReasonUpdating: pods are being updated, created or deleted.
	ReasonUpdating = "Updating"
	// ReasonPodsFailing: pods cannot run; the message and status.podNotes tell which and why.
	ReasonPodsFailing = "PodsFailing"
	// ReasonAwaitingDisruptionBudget: nothing but a PodDisruptionBudget keeps the rollout from going on; the message names it.
	// The time does not count against spec.progressDeadlineSeconds.
	ReasonAwaitingDisruptionBudget = "AwaitingDisruptionBudget"
	// ReasonRehearsing: the next pods to be updated wait for their nodes to have the new images; the message tells which.
	ReasonRehearsing = "Rehearsing"
	// ReasonRehearsalFailed: a node cannot have a new image; the message tells which, and why, in the registry's own words.
	// Pods there are not touched.
	ReasonRehearsalFailed = "RehearsalFailed"
	// ReasonRehearsalImpossible: it cannot be found out whether a node can have the new images; the message tells why. Pods
	// there are not touched.
	ReasonRehearsalImpossible = "RehearsalImpossible"
	// ReasonPausedByFailures: as many pods as failurePolicy allows have failed at the update revision, and no other one is
	// brought to it; the message tells which, and why.
	ReasonPausedByFailures = "PausedByFailures"
	// ReasonRollingBack: the update revision was given up for the pods that failed at it, and its pods are being brought back to
	// the stable one; the message tells which failed, and why.
	ReasonRollingBack = "RollingBack"
	// ReasonRolledBack: the update revision was given up, and no pod is at it any more.
	ReasonRolledBack = "RolledBack"
	// ReasonAwaitingResize: nothing but resources that pods do not get where they are keeps the rollout from its end; the
	// message names the pods, and why in the kubelet's words.
	ReasonAwaitingResize = "AwaitingResize"
	// ReasonComplete: all pods are at the update revision and available.
	ReasonComplete = "Complete"
	// ReasonPartitionReached: all pods that the partition allows are at the update revision and available.
	ReasonPartitionReached = "PartitionReached"
	// ReasonPaused: updateStrategy.rollingUpdate.paused is set and pods are left to be updated.
	ReasonPaused = "Paused"
	// ReasonInvalidSpec: the spec contradicts itself; the message names the field. No pod is touched.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonInPlaceImpossible: the policy is InPlaceOnly and the template changed in a field that needs new pods; the
	// message names the field.
	ReasonInPlaceImpossible = "InPlaceImpossible"
	// ReasonProgressDeadlineExceeded: the rollout has not moved for spec.progressDeadlineSeconds.
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	// ReasonOnDelete: updateStrategy.type is OnDelete, and pods are left to be deleted.
	ReasonOnDelete = "OnDelete"
	// ReasonAsSpecified: Stalled or Reconciling is False.
	ReasonAsSpecified = "AsSpecified"
)

// Reasons of the notes on pods in the status of a CloneSet, beside the kubelet's own reasons (ErrImagePull,
// CrashLoopBackOff and so on).
const (
	// NoteRecreate: the pod is replaced by a new one; the message names the field that forced it.
	NoteRecreate = "Recreate"
	// NoteInPlaceImpossible: the pod is left as it is, because the policy is InPlaceOnly; the message names the field.
	NoteInPlaceImpossible = "InPlaceImpossible"
	// NoteAwaitingHook: the pod waits for a hook of spec.lifecycle; the message names it.
	NoteAwaitingHook = "AwaitingHook"
	// NoteAwaitingRelease: the pod is out of service and waits for the condition of drain.untilCondition to become True.
	NoteAwaitingRelease = "AwaitingRelease"
	// NoteDraining: the pod was taken out of service half a minute ago or longer, and is not seen drained; the message tells
	// what is waited for.
	NoteDraining = "Draining"
	// NoteRestarting: the pod has been out of service for half a minute or longer, and its containers are not seen to run
	// their new images.
	NoteRestarting = "Restarting"
	// NoteLastEndpoint: the pod is the last one that serves as an endpoint of a Service, and is not taken out of service before
	// another pod has come back.
	NoteLastEndpoint = "LastEndpoint"
	// NotePublishedNotReady: the pod is drained, but a Service goes on naming it to its clients, since it has
	// publishNotReadyAddresses.
	NotePublishedNotReady = "PublishedNotReady"
	// NoteAwaitingImage: the pod waits for its node to have the new images.
	NoteAwaitingImage = "AwaitingImage"
	// NoteResizeDeferred: the node of the pod has no room for its new resources now. The pod goes on with the old ones until
	// the kubelet can give it the new ones.
	NoteResizeDeferred = "ResizeDeferred"
	// NoteResizeFailed: the kubelet could not change the resources of the pod, and tries again; the message tells why.
	NoteResizeFailed = "ResizeFailed"
	// NoteResizeRefused: the API server does not let the controller change the resources of the pod, for a quota or a limit
	// range for example; the message tells why. It is tried again.
	NoteResizeRefused = "ResizeRefused"
	// NoteAwaitingDigest: the pod waits until it is known which digest its image has for all pods.
	NoteAwaitingDigest = "AwaitingDigest"
	// NoteUnschedulable: no node takes the pod.
	NoteUnschedulable = "Unschedulable"
	// NoteSidecarEnded: a native sidecar has ended and could not be started again, most often because its new image cannot
	// be pulled.
	NoteSidecarEnded = "SidecarEnded"
	// NoteForeignClaim: a claim of the pod was made by somebody else; it stays when the pod is deleted.
	NoteForeignClaim = "ForeignClaim"
	// NoteCreateFailed: the API server refused to create a pod, or a claim of it.
	NoteCreateFailed = "CreateFailed"
)
