package integration_test

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// identity is what a pod keeps while it is updated in place.
type identity struct {
	uid      types.UID
	ip, node string
	// containers are the IDs of the containers that are not the web server.
	containers [3]string
}

// identities returns those of the test's pods, but for those that are being deleted, by name.
func (e *env) identities() map[string]identity {
	all := map[string]identity{}
	for _, pod := range e.view.Pods(app) {
		if pod.DeletionTimestamp != nil {
			continue
		}
		all[pod.Name] = identity{uid: pod.UID, ip: pod.Status.PodIP, node: pod.Spec.NodeName, containers: [3]string{
			containerID(pod, framework.HelperContainer), containerID(pod, framework.Sidecar),
			containerID(pod, framework.InitContainer),
		}}
	}
	return all
}

// expectIdentities checks that the test's pods are the same as before, and that nothing but the web server was restarted.
func (e *env) expectIdentities(before map[string]identity) {
	e.Helper()
	if after := e.identities(); !maps.Equal(before, after) {
		e.Errorf("pods are not the same as before:\n%+v\n%+v", before, after)
	}
}

func containerID(pod *corev1.Pod, name string) string {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == name {
			return s.ContainerID
		}
	}
	return ""
}

// runs tells whether the web server of a pod is asked to be, and reported to be, of an image.
func runs(image string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		for _, s := range pod.Status.ContainerStatuses {
			if s.Name == framework.MainContainer {
				return pod.Spec.Containers[0].Image == image && s.Image == image && s.State.Running != nil
			}
		}
		return false
	}
}

// isDraining tells whether a pod was taken out of service and is still asked to run version 1.
func isDraining(pod *corev1.Pod) bool {
	return gateOff(pod) && pod.Spec.Containers[0].Image == imageV1
}

// isRestarting tells whether a pod was patched to another version than 1 and is still out of service.
func isRestarting(pod *corev1.Pod) bool {
	return gateOff(pod) && pod.Spec.Containers[0].Image != imageV1
}

func gateOff(pod *corev1.Pod) bool {
	gate := podCondition(pod, appsv1beta1.InPlaceUpdateReady)
	return gate != nil && gate.Status == corev1.ConditionFalse
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// untilGone waits for a pod to leave the API.
func (e *env) untilGone(pod *corev1.Pod) {
	e.Helper()
	e.until(func() (bool, string) {
		known := e.view.Pod(pod.Name)
		return known == nil || known.UID != pod.UID, "pod " + pod.Name + " is still there"
	})
}

// untilKnown waits for what the view tells of one pod to satisfy a condition.
func (e *env) untilKnown(pod *corev1.Pod, missing string, condition func(*corev1.Pod) bool) *corev1.Pod {
	e.Helper()
	var known *corev1.Pod
	e.until(func() (bool, string) {
		known = e.view.Pod(pod.Name)
		done := known != nil && known.UID == pod.UID && condition(known)
		return done, "pod " + pod.Name + " " + missing + ":\n" + e.view.Describe(app)
	})
	return known
}

// count returns how many of the test's pods, but for those that are being deleted, satisfy a condition.
func (e *env) count(condition func(*corev1.Pod) bool) int {
	n := 0
	for _, pod := range e.view.Pods(app) {
		if pod.DeletionTimestamp == nil && condition(pod) {
			n++
		}
	}
	return n
}

// expectCount checks how many of the test's pods satisfy a condition. What the view tells of pods may come after what it
// tells of their CloneSet, so that it is waited for.
func (e *env) expectCount(want int, what string, condition func(*corev1.Pod) bool) {
	e.Helper()
	e.until(func() (bool, string) {
		got := e.count(condition)
		return got == want, fmt.Sprintf("%d pods %s, want %d:\n%s", got, what, want, e.view.Describe(app))
	})
}
