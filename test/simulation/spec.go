package simulation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// What a spec and a pod say, worked out apart from the planner, by the text of the API.

func replicasOf(set *appsv1beta1.CloneSet) int { return int(*set.Spec.Replicas) }

// updatesPods tells whether pods are updated at all.
func updatesPods(set *appsv1beta1.CloneSet) bool {
	return set.Spec.UpdateStrategy.Type != appsv1beta1.OnDeleteStrategyType && !set.Spec.UpdateStrategy.RollingUpdate.Paused
}

func maxSurgeOf(set *appsv1beta1.CloneSet) int {
	surge := set.Spec.UpdateStrategy.RollingUpdate.MaxSurge
	if surge == nil || set.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType {
		return 0
	}
	return evaluate(*surge, replicasOf(set), math.Ceil)
}

func maxUnavailableOf(set *appsv1beta1.CloneSet) int {
	value := *set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable
	if maxSurgeOf(set) > 0 {
		return evaluate(value, replicasOf(set), math.Floor)
	}
	return max(evaluate(value, replicasOf(set), math.Ceil), 1)
}

func partitionOf(set *appsv1beta1.CloneSet) int {
	p := set.Spec.UpdateStrategy.RollingUpdate.Partition
	if p == nil || set.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType {
		return 0
	}
	total := replicasOf(set)
	keep := min(evaluate(*p, total, math.Ceil), total)
	if p.Type == intstr.String && p.StrVal != "100%" && total > 1 {
		keep = min(keep, total-1)
	}
	return keep
}

func startingOf(set *appsv1beta1.CloneSet) int {
	limit := set.Spec.ScaleStrategy.MaxUnavailable
	if limit == nil {
		return math.MaxInt32
	}
	return max(evaluate(*limit, replicasOf(set), math.Ceil), 1)
}

func evaluate(value intstr.IntOrString, total int, round func(float64) float64) int {
	if value.Type == intstr.Int {
		return int(value.IntVal)
	}
	var percent float64
	_, _ = fmt.Sscanf(value.StrVal, "%f%%", &percent)
	return int(round(percent * float64(total) / 100))
}

func graceOf(set *appsv1beta1.CloneSet) time.Duration {
	return time.Duration(*set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds) * time.Second
}

func inPlaceOf(s *spec) *appsv1beta1.InPlaceUpdateStrategy {
	return &s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
}

// mayServe tells whether a container may be restarted in a pod that serves.
func mayServe(set *appsv1beta1.CloneSet, container string) bool {
	for _, c := range set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers {
		if c.Name == container {
			return c.Drain == appsv1beta1.DrainNotRequired
		}
	}
	return false
}

// hasAny and hasAll tell whether any, or all, of a hook is on a pod.
func hasAny(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) bool {
	return hook != nil && slices.Contains(marksOf(hook, pod), true)
}

func hasAll(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) bool {
	return hook == nil || !slices.Contains(marksOf(hook, pod), false)
}

func marksOf(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) []bool {
	var marks []bool
	for key, value := range hook.LabelsHandler {
		found, ok := pod.Labels[key]
		marks = append(marks, ok && found == value)
	}
	for _, name := range hook.FinalizersHandler {
		marks = append(marks, slices.Contains(pod.Finalizers, name))
	}
	return marks
}

func stateOf(pod *corev1.Pod) appsv1beta1.LifecycleState {
	return appsv1beta1.LifecycleState(pod.Labels[appsv1beta1.LifecycleStateLabel])
}

// waits tells whether a pod waits for a hook.
func waits(set *appsv1beta1.CloneSet, pod *corev1.Pod) bool {
	state := string(stateOf(pod))
	return set.Spec.Lifecycle != nil && (strings.HasPrefix(state, "Prepar") || strings.HasPrefix(state, "Updat"))
}

func isSpecified(set *appsv1beta1.CloneSet, pod *corev1.Pod) bool {
	_, labelled := pod.Labels[appsv1beta1.SpecifiedDeleteLabel]
	return labelled || slices.Contains(set.Spec.ScaleStrategy.PodsToDelete, pod.Name)
}

func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func isAlive(pod *corev1.Pod) bool { return pod.DeletionTimestamp == nil && !hasEnded(pod) }

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func isReady(pod *corev1.Pod) bool {
	ready := conditionOf(pod, corev1.PodReady)
	return ready != nil && ready.Status == corev1.ConditionTrue
}

func gateOf(pod *corev1.Pod) corev1.ConditionStatus {
	if gate := conditionOf(pod, appsv1beta1.InPlaceUpdateReady); gate != nil {
		return gate.Status
	}
	return ""
}

// isRestarting tells whether a pod was patched in service, and not confirmed, or is still to be patched, by what it says.
func isRestarting(pod *corev1.Pod) bool {
	state := pod.Annotations[appsv1beta1.InPlaceStateAnnotation]
	return strings.Contains(state, `"inService":true`) || strings.Contains(state, `"pending":["`)
}

// containersIn goes through the containers and the init containers of a pod.
func containersIn(spec *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for i := range spec.InitContainers {
		all = append(all, &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		all = append(all, &spec.Containers[i])
	}
	return all
}

// onlyMetadata tells whether two templates differ in labels and annotations alone.
func onlyMetadata(a, b *corev1.PodTemplateSpec) bool {
	return a != nil && b != nil && equalSpecs(&a.Spec, &b.Spec)
}
