package simulation

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// surgeGoes tells whether surge pods are the ones that are deleted in the end.
func surgeGoes(set *appsv1beta1.CloneSet) bool {
	return len(set.Spec.VolumeClaimTemplates) > 0 ||
		set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy == appsv1beta1.InPlaceOnlyPodUpdatePolicy
}

// isTemporary tells whether a pod is there for the update alone, and is not made one that stays by this pass.
func (c *checker) isTemporary(pod *corev1.Pod) bool {
	return surgeGoes(c.set) && pod.Labels[appsv1beta1.SurgeLabel] == appsv1beta1.SurgeTemporary &&
		!isSpecified(c.set, pod) && !c.staying[pod.UID]
}

// stays tells whether an action makes a surge pod one that stays.
func stays(a *plan.Action) bool {
	return a.Kind == plan.Relabel && strings.Contains(string(a.Patch), appsv1beta1.SurgeLabel)
}

// victim is I5 for the pods that are too many: where surge pods are the ones that go, no other pod does while there are no
// more of those than replicas.
func (c *checker) victim(a *plan.Action) {
	if a.Kind != plan.ScaleIn || !surgeGoes(c.set) {
		return
	}
	c.scaledIn[a.Pod.UID] = true
	if c.isTemporary(a.Pod) {
		return
	}
	left := 0
	for _, pod := range c.in.Pods {
		if isAlive(pod) && pod.Labels["app"] == "web" && !isSpecified(c.set, pod) && !c.isTemporary(pod) && !c.scaledIn[pod.UID] {
			left++
		}
	}
	if left < replicasOf(c.set) {
		c.run.fail("I5: %s leaves %d pods that are no surge pods, fewer than %d", a, left, replicasOf(c.set))
	}
}

// temporary returns how many surge pods there are of those that go.
func (c *checker) temporary() int {
	count := 0
	for _, pod := range c.in.Pods {
		if isAlive(pod) && c.isTemporary(pod) {
			count++
		}
	}
	return count
}

// ending is how a rollout ends other than by all pods being updated.
type ending struct {
	name string
	edit func(*spec)
	// reached tells whether the pods are as the spec asks for.
	reached func(r *run) bool
	// grows tells that there are more replicas to be made in the middle of it.
	grows bool
}

// endings are those that there are, of a rollout that nothing is in the way of.
func endings() []ending {
	return []ending{
		{"paused", func(s *spec) { s.UpdateStrategy.RollingUpdate.Paused = true }, (*run).isPaused, false},
		{"partition", func(s *spec) {
			s.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt32(2))
		}, (*run).isAtPartition, false},
		{"OnDelete", func(s *spec) { s.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType }, (*run).isWhole, false},
		{"InPlaceOnly", func(s *spec) {
			s.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.InPlaceOnlyPodUpdatePolicy
		}, (*run).converged, false},
		{"a release that crashes", crashes, (*run).isRolledBack, true},
	}
}

// endsAs has a newer template come, be rolled out for a while, and end in another way, with another number of replicas.
func (r *run) endsAs(t *rapid.T) {
	end := rapid.SampledFrom(endings()).Draw(t, "ending")
	replicas := rapid.Int32Range(1, 6).Draw(t, "replicas in the end")
	r.edit("a newer template", func(s *spec) {
		for _, c := range containersIn(&s.Template.Spec) {
			if c.Name != steady {
				c.Image = "app:c"
			}
		}
	})
	for range rapid.IntRange(0, 40).Draw(t, "steps until "+end.name) {
		r.step(r.world.Now().Add(rest))
	}
	r.edit(end.name, func(s *spec) {
		end.edit(s)
		s.Replicas = &replicas
	})
	if end.grows {
		for range rapid.IntRange(0, 100).Draw(t, "steps until there are more") {
			r.step(r.world.Now().Add(rest))
		}
		r.edit("two more replicas", func(s *spec) { *s.Replicas += 2 })
	}
	r.reaches(end.reached)
}

// isWhole tells whether there are as many pods as replicas, and all of them serve.
func (r *run) isWhole() bool {
	return r.serve() && len(r.owned()) == replicasOf(r.set())
}

// isPaused tells whether there are as many pods as replicas, but for those that surge for the template.
func (r *run) isPaused() bool {
	pods, surging := r.owned(), 0
	for _, pod := range pods {
		mark := pod.Labels[appsv1beta1.SurgeLabel]
		if mark == appsv1beta1.SurgeTemporary || mark != "" && mark == r.set().Status.UpdateRevision {
			surging++
		}
	}
	beyond := len(pods) - replicasOf(r.set())
	return r.serve() && beyond >= 0 && beyond <= min(surging, maxSurgeOf(r.set()))
}

// isAtPartition tells whether as many pods as the partition keeps are at an old revision, or fewer that were updated before,
// and the others at the new one.
func (r *run) isAtPartition() bool {
	old := 0
	for _, pod := range r.owned() {
		if pod.Labels[appsv1beta1.RevisionLabel] != r.set().Status.UpdateRevision {
			old++
		}
	}
	return r.isWhole() && old <= partitionOf(r.set())
}

// serve tells whether all pods serve, with the images that they ask for, and the status has seen the spec.
func (r *run) serve() bool {
	for _, pod := range r.owned() {
		for _, want := range containersIn(&pod.Spec) {
			if runs, ok := r.world.TrulyRuns(pod.UID, want.Name); !ok || runs != want.Image {
				return false
			}
		}
		if !isReady(pod) || gateOf(pod) != corev1.ConditionTrue || waits(r.set(), pod) || isSpecified(r.set(), pod) {
			return false
		}
	}
	return r.set().Status.ObservedGeneration == r.set().Generation
}
