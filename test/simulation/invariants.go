package simulation

import (
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// checker checks the invariants of one pass. It counts on its own and shares no code with the planner.
type checker struct {
	run *run
	in  *plan.Input
	// moved are pods that an action of this pass took off an old revision.
	moved map[types.UID]bool
}

func (r *run) newChecker(in *plan.Input) *checker {
	return &checker{run: r, in: in, moved: map[types.UID]bool{}}
}

// action is called before each write.
func (c *checker) action(a *plan.Action) {
	c.run.note("%s", a)
	switch a.Kind {
	case plan.CreatePod:
		c.surge(a)
	case plan.Drain, plan.ScaleIn, plan.Recreate:
		c.availability(a)
	}
	if a.Kind == plan.Recreate || a.Kind == plan.UpdateInPlace {
		c.partition(a)
	}
	if a.Kind == plan.UpdateInPlace {
		c.drained(a)
	}
}

// done is called after each write, whether it took effect or not.
func (c *checker) done(a *plan.Action) {
	if a.Pod == nil {
		return
	}
	pod := c.run.world.Pod(a.Pod.Name)
	if pod != nil && pod.UID == a.Pod.UID && pod.DeletionTimestamp == nil && gateOf(pod) == corev1.ConditionTrue {
		delete(c.run.withdrawn, pod.UID)
	}
}

// availability is I1.
func (c *checker) availability(a *plan.Action) {
	if !c.isAvailable(a.Pod) {
		return
	}
	c.run.withdrawn[a.Pod.UID] = true
	left := 0
	for _, pod := range c.in.Pods {
		if c.isAvailable(pod) {
			left++
		}
	}
	if floor := replicasOf(c.run.set) - maxUnavailableOf(c.run.set); left < floor {
		c.run.fail("I1: %s leaves %d available pods, fewer than %d", a, left, floor)
	}
}

// isAvailable tells whether a pod was seen available and was not taken out of service by the controller since.
func (c *checker) isAvailable(seen *corev1.Pod) bool {
	ready := conditionOf(seen, corev1.PodReady)
	return !c.run.withdrawn[seen.UID] && seen.DeletionTimestamp == nil && !ended(seen) && gateOf(seen) == corev1.ConditionTrue &&
		ready != nil && ready.Status == corev1.ConditionTrue &&
		c.run.world.Now().Sub(ready.LastTransitionTime.Time) >= time.Duration(c.run.set.Spec.MinReadySeconds)*time.Second
}

// surge is I2.
func (c *checker) surge(a *plan.Action) {
	alive := 0
	for _, pod := range c.run.world.Pods() {
		if metav1.IsControlledBy(pod, c.run.set) && pod.DeletionTimestamp == nil && !ended(pod) {
			alive++
		}
	}
	if alive >= replicasOf(c.run.set) {
		c.run.fail("I2: %s while %d pods exist of %d", a, alive, replicasOf(c.run.set))
	}
	if c.isStable() {
		return
	}
	if a.Pod.Labels[appsv1beta1.RevisionLabel] == c.in.Revisions.Update.Name && c.old()+c.stableToCome() < partitionOf(c.run.set) {
		c.run.fail("I3: %s at the update revision while the partition lacks old pods", a)
	}
}

// stableToCome is how many pods of the stable revision the rest of the plan may still create.
func (c *checker) stableToCome() int {
	return max(replicasOf(c.run.set)-c.aliveSeen()-1, 0)
}

func (c *checker) aliveSeen() int {
	return len(slices.DeleteFunc(slices.Clone(c.in.Pods), func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil || ended(p)
	}))
}

// partition is I3.
func (c *checker) partition(a *plan.Action) {
	if c.isStable() || a.Pod.Labels[appsv1beta1.RevisionLabel] == c.in.Revisions.Update.Name {
		return
	}
	c.moved[a.Pod.UID] = true
	if left := c.old(); left < partitionOf(c.run.set) {
		c.run.fail("I3: %s leaves %d old pods, fewer than %d", a, left, partitionOf(c.run.set))
	}
}

// isStable tells whether the template was set back to the stable revision: then there is no older one to keep.
func (c *checker) isStable() bool { return c.in.Revisions.Update.Name == c.in.Revisions.Current.Name }

func (c *checker) old() int {
	count := 0
	for _, pod := range c.in.Pods {
		if pod.DeletionTimestamp == nil && !ended(pod) && !c.moved[pod.UID] &&
			pod.Labels[appsv1beta1.RevisionLabel] != c.in.Revisions.Update.Name {
			count++
		}
	}
	return count
}

// drained is I4. Whether new connections may still come is asked of the service proxies, which lag behind the
// EndpointSlice; without a grace period nobody waits for them, and the slice is asked.
func (c *checker) drained(a *plan.Action) {
	pod := c.run.world.Pod(a.Pod.Name)
	if pod == nil || pod.UID != a.Pod.UID || pod.ResourceVersion != a.Pod.ResourceVersion || !restarts(a.Patch, pod) {
		return
	}
	if ready := conditionOf(pod, corev1.PodReady); ready == nil || ready.Status != corev1.ConditionFalse {
		c.run.fail("I4: %s while the pod is ready", a)
	}
	inReach := c.run.world.ServingEndpoints()
	if graceOf(c.run.set) >= 2*time.Second && !c.run.publishes {
		inReach = inReach.Union(c.run.world.ProxyEndpoints())
	}
	if inReach.Has(pod.UID) {
		c.run.fail("I4: %s while the pod may be sent traffic", a)
	}
}

// restarts tells whether a patch restarts a container of a pod.
func restarts(patch []byte, pod *corev1.Pod) bool {
	var change struct {
		Spec struct {
			Containers []struct{ Name, Image string }
		}
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return true
	}
	for _, wanted := range change.Spec.Containers {
		for i := range pod.Spec.Containers {
			if pod.Spec.Containers[i].Name == wanted.Name && pod.Spec.Containers[i].Image != wanted.Image {
				return true
			}
		}
	}
	return false
}

// status is I8, and I5 for the container whose image never changes.
func (c *checker) status(status *appsv1beta1.CloneSetStatus) {
	honest := 0
	for _, pod := range c.in.Pods {
		if pod.Labels[appsv1beta1.RevisionLabel] == c.in.Revisions.Update.Name && (c.run.edited[pod.UID] || c.mayRun(pod)) {
			honest++
		}
	}
	if int(status.UpdatedReplicas) > honest && !c.run.undated {
		c.run.fail("I8: %d pods are counted updated, no more than %d are", status.UpdatedReplicas, honest)
	}
	for _, pod := range c.run.world.Pods() {
		if starts := c.run.world.Starts(pod.UID, steady); starts > 1 && !c.run.shaken[pod.UID] {
			c.run.fail("I5: the container %s of %s was started %d times", steady, pod.Name, starts)
		}
	}
}

// mayRun tells whether no container of a pod runs an image that the pod does not ask for.
func (c *checker) mayRun(pod *corev1.Pod) bool {
	for i := range pod.Spec.Containers {
		want := pod.Spec.Containers[i]
		if runs, ok := c.run.world.TrulyRuns(pod.UID, want.Name); ok && runs != want.Image {
			return false
		}
	}
	return true
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func gateOf(pod *corev1.Pod) corev1.ConditionStatus {
	if gate := conditionOf(pod, appsv1beta1.InPlaceUpdateReady); gate != nil {
		return gate.Status
	}
	return ""
}
