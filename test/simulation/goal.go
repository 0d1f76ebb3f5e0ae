package simulation

import (
	"fmt"
	"math"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// bound is how long a rollout may take, in virtual time, once everything is in order: eight pods one by one, with the
// longest back-off of a kubelet before each.
const bound = 2 * time.Hour

// heal puts the world in order and asks for a state that can be reached.
func (r *run) heal() {
	for _, node := range r.world.Nodes() {
		r.world.RestoreNode(node.Name)
	}
	r.world.InjectFaults(nil)
	r.edit("everything is put in order", func(s *appsv1beta1.CloneSetSpec) {
		s.Template.Spec.Containers[0].Image = "app:b"
		s.UpdateStrategy.RollingUpdate.Paused = false
		s.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt32(0))
	})
}

// converged tells whether the world is what the spec asks for, by the pods themselves.
func (r *run) converged() bool {
	alive := 0
	for _, pod := range r.world.Pods() {
		if !metav1.IsControlledBy(pod, r.set) || ended(pod) {
			continue
		}
		if pod.DeletionTimestamp != nil || !r.isAsAskedFor(pod) {
			return false
		}
		alive++
	}
	return alive == replicasOf(r.set) && r.set.Status.ObservedGeneration == r.set.Generation &&
		int(r.set.Status.UpdatedAvailableReplicas) == alive
}

func (r *run) isAsAskedFor(pod *corev1.Pod) bool {
	ready := conditionOf(pod, corev1.PodReady)
	want := r.set.Spec.Template.Spec.Containers[0].Image
	runs, ok := r.world.TrulyRuns(pod.UID, "app")
	return ok && runs == want && ready != nil && ready.Status == corev1.ConditionTrue && gateOf(pod) == corev1.ConditionTrue
}

// report tells what happened until an invariant broke.
func (r *run) report() string {
	var pods strings.Builder
	for _, pod := range r.world.Pods() {
		runs, _ := r.world.TrulyRuns(pod.UID, "app")
		fmt.Fprintf(&pods, "  %s rev=%s gate=%s deleting=%v phase=%s asks=%s runs=%s\n", pod.Name,
			pod.Labels[appsv1beta1.RevisionLabel], gateOf(pod), pod.DeletionTimestamp != nil, pod.Status.Phase,
			pod.Spec.Containers[0].Image, runs)
	}
	return fmt.Sprintf("%s\n%s\npods:\n%s", r.broken, strings.Join(r.log, "\n"), pods.String())
}

// The numbers of a spec, worked out apart from the planner, by the text of the API.

func replicasOf(set *appsv1beta1.CloneSet) int { return int(*set.Spec.Replicas) }

func maxUnavailableOf(set *appsv1beta1.CloneSet) int {
	return max(up(*set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, replicasOf(set)), 1)
}

func partitionOf(set *appsv1beta1.CloneSet) int {
	p := set.Spec.UpdateStrategy.RollingUpdate.Partition
	if p == nil {
		return 0
	}
	total := replicasOf(set)
	keep := min(up(*p, total), total)
	if p.Type == intstr.String && p.StrVal != "100%" && total > 1 {
		keep = min(keep, total-1)
	}
	return keep
}

func up(value intstr.IntOrString, total int) int {
	if value.Type == intstr.Int {
		return int(value.IntVal)
	}
	var percent float64
	_, _ = fmt.Sscanf(value.StrVal, "%f%%", &percent)
	return int(math.Ceil(percent * float64(total) / 100))
}

func graceOf(set *appsv1beta1.CloneSet) time.Duration {
	return time.Duration(*set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds) * time.Second
}
