// Package testpods builds pods for tests as an API server and a kubelet would leave them, and patches them as an API
// server would.
package testpods

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Option changes a pod that is being built.
type Option func(*corev1.Pod)

// Start is when the pods of this package were made, and since when their conditions are what they are.
func Start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// New returns a pod that runs on a node, with the readiness gate and no condition set. Options are applied in order.
func New(name string, options ...Option) *corev1.Pod {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("uid-" + name),
			ResourceVersion: "100", Generation: 1, CreationTimestamp: metav1.NewTime(Start()),
			Labels: map[string]string{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue},
		},
		Spec: corev1.PodSpec{
			NodeName:                      "node-1",
			ReadinessGates:                []corev1.PodReadinessGate{{ConditionType: appsv1beta1.InPlaceUpdateReady}},
			TerminationGracePeriodSeconds: &grace,
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ObservedGeneration: 1},
	}
	for _, option := range options {
		option(pod)
	}
	return pod
}

// ImageID returns the imageID that an image has on the nodes of these tests: a digest made of the image's own name.
func ImageID(image string) string {
	return fmt.Sprintf("registry.example/app@sha256:%x", sha256.Sum256([]byte(image)))
}

// Container adds a container that runs an image; its containerID is "cri://NAME-1".
func Container(name, image string) Option {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Image: image})
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, running(name, image))
	}
}

// Sidecar adds a native sidecar that runs an image.
func Sidecar(name, image string) Option {
	always := corev1.ContainerRestartPolicyAlways
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers,
			corev1.Container{Name: name, Image: image, RestartPolicy: &always})
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, running(name, image))
	}
}

// Init adds an ordinary init container that has ended well.
func Init(name, image string) Option {
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: name, Image: image})
		status := running(name, image)
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: status.ContainerID}}
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, status)
	}
}

func running(name, image string) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: name, Image: image, ImageID: ImageID(image), ContainerID: "cri://" + name + "-1",
		Ready: true, Started: new(true),
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(Start())}},
	}
}

// Revision sets the label that names the pod's revision.
func Revision(name string) Option { return Label(appsv1beta1.RevisionLabel, name) }

// Label sets a label.
func Label(key, value string) Option {
	return func(pod *corev1.Pod) { pod.Labels[key] = value }
}

// Generation sets the pod's generation, which the kubelet has seen.
func Generation(generation int64) Option {
	return func(pod *corev1.Pod) { pod.Generation, pod.Status.ObservedGeneration = generation, generation }
}

// Condition sets a condition, with the pod's generation of now, since a time.
func Condition(kind corev1.PodConditionType, status corev1.ConditionStatus, since time.Time) Option {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == kind
		})
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: status, LastTransitionTime: metav1.NewTime(since), ObservedGeneration: pod.Generation,
		})
	}
}

// Serving makes the pod ready, with its gate on.
func Serving() Option {
	return func(pod *corev1.Pod) {
		Condition(corev1.PodReady, corev1.ConditionTrue, Start())(pod)
		Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionTrue, Start())(pod)
	}
}

// Drained turns the gate off, with the pod seen not ready since a time.
func Drained(since time.Time) Option {
	return func(pod *corev1.Pod) {
		Condition(corev1.PodReady, corev1.ConditionFalse, since)(pod)
		Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, since)(pod)
	}
}
