package observe

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// annotationPrefix is that of the annotations that decisions need.
const annotationPrefix = "apps.insitu.dev/"

// podKind is the kind of the targets of endpoints that are kept.
const podKind = "Pod"

// CacheOptions returns what the manager's cache is to hold: pods, claims and revisions that are ours, and of pods, claims,
// EndpointSlices and PodDisruptionBudgets only the fields that decisions need. A cache of all pods of a cluster would cost
// gigabytes. What is trimmed once more stays as it is: the first list of a reflector goes through its transform twice, where it
// is streamed (client-go, Reflector.watchList and RealFIFO.Replace).
func CacheOptions() cache.Options {
	ours := labels.SelectorFromSet(labels.Set{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue})
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: oursOrRehearsals(), Transform: trimPod},
			&corev1.PersistentVolumeClaim{}: {Label: ours, Transform: trimClaim},
			&appsv1.ControllerRevision{}:    {Label: ours},
			&discoveryv1.EndpointSlice{}:    {Transform: trimSlice},
			&policyv1.PodDisruptionBudget{}: {Transform: trimBudget},
		},
	}
}

// oursOrRehearsals selects the pods of CloneSets and those that pull images for them.
func oursOrRehearsals() labels.Selector {
	values := []string{appsv1beta1.ManagedLabelValue, appsv1beta1.ManagedLabelRehearsal}
	requirement, err := labels.NewRequirement(appsv1beta1.ManagedLabel, selection.In, values)
	if err != nil {
		return labels.Nothing() // The label is a constant.
	}
	return labels.NewSelector().Add(*requirement)
}

// trimPod drops what no decision needs.
func trimPod(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		return TrimPod(pod), nil
	}
	return object, nil
}

// TrimPod returns a pod with only the fields that decisions need.
func TrimPod(pod *corev1.Pod) *corev1.Pod {
	trimmed := trimmedPod(pod)
	if inplace.IsRehearsal(pod) {
		trimmed.Status.StartTime = pod.Status.StartTime
		trimmed.Status.Reason, trimmed.Status.Message = pod.Status.Reason, pod.Status.Message
	}
	return trimmed
}

func trimmedPod(pod *corev1.Pod) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID,
			ResourceVersion: pod.ResourceVersion, Generation: pod.Generation,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
			Labels: pod.Labels, Annotations: trimAnnotations(pod.Annotations), OwnerReferences: pod.OwnerReferences,
			Finalizers: pod.Finalizers,
		},
		Spec: corev1.PodSpec{
			NodeName:                      pod.Spec.NodeName,
			ReadinessGates:                pod.Spec.ReadinessGates,
			TerminationGracePeriodSeconds: pod.Spec.TerminationGracePeriodSeconds,
			Containers:                    trimContainers(pod.Spec.Containers),
			InitContainers:                trimContainers(pod.Spec.InitContainers),
			Volumes:                       trimVolumes(pod),
		},
		Status: corev1.PodStatus{
			Phase:                 pod.Status.Phase,
			ObservedGeneration:    pod.Status.ObservedGeneration,
			Conditions:            trimConditions(pod.Status.Conditions),
			ContainerStatuses:     trimStatuses(pod.Status.ContainerStatuses, inplace.IsResizing(pod)),
			InitContainerStatuses: trimStatuses(pod.Status.InitContainerStatuses, inplace.IsResizing(pod)),
		},
	}
}

func trimAnnotations(annotations map[string]string) map[string]string {
	var kept map[string]string
	for key, value := range annotations {
		if strings.HasPrefix(key, annotationPrefix) || key == corev1.PodDeletionCost {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = value
		}
	}
	return kept
}

func trimContainers(containers []corev1.Container) []corev1.Container {
	if len(containers) == 0 {
		return nil
	}
	kept := make([]corev1.Container, len(containers))
	for i := range containers {
		kept[i] = corev1.Container{
			Name: containers[i].Name, Image: containers[i].Image, RestartPolicy: containers[i].RestartPolicy,
			ImagePullPolicy: trimPolicy(containers[i].ImagePullPolicy),
			Resources: corev1.ResourceRequirements{
				Requests: trimAmounts(containers[i].Resources.Requests), Limits: trimAmounts(containers[i].Resources.Limits),
			},
		}
	}
	return kept
}

// trimPolicy returns a pull policy in the one copy that all containers share.
func trimPolicy(policy corev1.PullPolicy) corev1.PullPolicy {
	for _, known := range []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever} {
		if policy == known {
			return known
		}
	}
	return ""
}

// trimAmounts keeps the amounts that can be changed in a pod.
func trimAmounts(all corev1.ResourceList) corev1.ResourceList {
	var kept corev1.ResourceList
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if quantity, ok := all[name]; ok {
			if kept == nil {
				kept = corev1.ResourceList{}
			}
			kept[name] = quantity
		}
	}
	return kept
}

// trimConditions keeps the conditions that decisions read.
func trimConditions(conditions []corev1.PodCondition) []corev1.PodCondition {
	kept := make([]corev1.PodCondition, 0, 3)
	for i := range conditions {
		switch conditions[i].Type {
		case corev1.PodReady, appsv1beta1.InPlaceUpdateReady:
			c := conditions[i]
			// Where the generation of a condition is dropped, the message of the gate keeps it.
			if c.Type == corev1.PodReady || c.ObservedGeneration != 0 {
				c.Message = ""
			}
			kept = append(kept, c)
		case corev1.PodScheduled:
			if conditions[i].Status != corev1.ConditionTrue {
				kept = append(kept, conditions[i])
			}
		case corev1.PodResizePending, corev1.PodResizeInProgress:
			kept = append(kept, conditions[i])
		default:
			// A drain may have to wait for such a one. Those of Kubernetes itself have no prefix.
			if strings.Contains(string(conditions[i].Type), "/") {
				c := conditions[i]
				c.Message = ""
				kept = append(kept, c)
			}
		}
	}
	return kept
}

// trimStatuses keeps of resources what a pod has while these are being changed, and nothing of all others.
func trimStatuses(statuses []corev1.ContainerStatus, resizing bool) []corev1.ContainerStatus {
	if len(statuses) == 0 {
		return nil
	}
	kept := make([]corev1.ContainerStatus, len(statuses))
	for i := range statuses {
		kept[i] = corev1.ContainerStatus{
			Name: statuses[i].Name, State: statuses[i].State, LastTerminationState: statuses[i].LastTerminationState,
			ImageID: statuses[i].ImageID, ContainerID: statuses[i].ContainerID,
			Ready: statuses[i].Ready, Started: statuses[i].Started,
		}
		if resizing {
			kept[i].Resources, kept[i].AllocatedResources = statuses[i].Resources, statuses[i].AllocatedResources
		}
	}
	return kept
}

// trimSlice keeps of an EndpointSlice its Service, which pods it names, whether they are serving, and whether they are
// published all the same.
func trimSlice(object any) (any, error) {
	slice, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return object, nil
	}
	kept := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Name: slice.Name, Namespace: slice.Namespace, UID: slice.UID, ResourceVersion: slice.ResourceVersion,
		Labels: map[string]string{discoveryv1.LabelServiceName: slice.Labels[discoveryv1.LabelServiceName]},
	}}
	for i := range slice.Endpoints {
		if target := slice.Endpoints[i].TargetRef; target != nil && target.Kind == podKind {
			kept.Endpoints = append(kept.Endpoints, discoveryv1.Endpoint{
				TargetRef:  &corev1.ObjectReference{Kind: podKind, UID: target.UID},
				Conditions: trimEndpoint(&slice.Endpoints[i]),
			})
		}
	}
	return kept, nil
}

// trimEndpoint keeps whether an endpoint is serving; of its being ready only what is not told by that.
func trimEndpoint(endpoint *discoveryv1.Endpoint) discoveryv1.EndpointConditions {
	kept := discoveryv1.EndpointConditions{Serving: endpoint.Conditions.Serving}
	if isPublished(endpoint) {
		kept.Ready = endpoint.Conditions.Ready
	}
	return kept
}

// isPublished tells whether clients are told of an endpoint that is not serving: its Service has publishNotReadyAddresses.
func isPublished(endpoint *discoveryv1.Endpoint) bool {
	return !isServing(endpoint) && endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready
}

// isServing tells whether an endpoint may be sent traffic. An absent value means that it may.
func isServing(endpoint *discoveryv1.Endpoint) bool {
	return endpoint.Conditions.Serving == nil || *endpoint.Conditions.Serving
}
