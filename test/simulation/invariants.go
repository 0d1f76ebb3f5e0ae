package simulation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// checker checks the invariants of one pass, by what its manager can know: what its caches hold, and what it did since. It
// counts on its own and shares no code with the planner.
type checker struct {
	run     *run
	manager *manager
	in      *plan.Input
	set     *appsv1beta1.CloneSet
	// moved are pods that an action of this pass took off an old revision, taken those that it took out of service, or asked
	// a hook to, and gone those that serve no more by that.
	moved, taken, gone map[types.UID]bool
	// confirmed are pods that were patched in service, and of which the plan says that their containers run.
	confirmed map[types.UID]bool
	// leaving are pods that the plan deletes, or announces the deletion of.
	leaving map[types.UID]bool
	// bequeathed are claims whose owner the plan changes, and the pods that they go with.
	bequeathed map[string]string
	// staying are surge pods that the plan makes ones that stay, and scaledIn those that it deletes since there are too many.
	staying, scaledIn map[types.UID]bool
	// created is how many pods this pass made, and stable how many of the stable revision it makes in all.
	created, stable int
	// asked is the revision of the template. Where it was given up, the update revision that is checked is the stable one.
	asked   plan.Revision
	givenUp bool
	// late tells that the manager has a successor.
	late bool
}

func (r *run) newChecker(m *manager, in *plan.Input, p *plan.Plan) *checker {
	target, givenUp := r.target(in)
	c := &checker{
		run: r, manager: m, in: target, set: in.Set, asked: in.Revisions.Update, givenUp: givenUp,
		moved: map[types.UID]bool{}, taken: map[types.UID]bool{}, gone: map[types.UID]bool{}, confirmed: map[types.UID]bool{},
		bequeathed: map[string]string{}, leaving: map[types.UID]bool{}, staying: map[types.UID]bool{}, scaledIn: map[types.UID]bool{},
	}
	for i := range p.Actions {
		switch a := &p.Actions[i]; {
		case a.Kind == plan.CreatePod && !c.atUpdate(a.Pod):
			c.stable++
		case r.endsUpdate(a):
			c.confirmed[a.Pod.UID] = true
		case a.Pod != nil && (a.Verb == plan.VerbDelete || a.Kind == plan.PrepareDelete):
			c.leaving[a.Pod.UID] = true
		case a.Kind == plan.AssignClaim:
			c.bequeathed[a.Claim.Name] = strings.TrimPrefix(a.Why, "it goes with Pod ")
		case stays(a):
			c.staying[a.Pod.UID] = true
		}
	}
	return c
}

// endsUpdate tells whether an action says that what was patched in service before runs, and restarts nothing more.
func (r *run) endsUpdate(a *plan.Action) bool {
	switch a.Kind {
	case plan.Confirm:
		return true
	case plan.UpdateInPlace:
		return len(restarted(a.Patch, a.Pod)) == 0 && !strings.Contains(string(a.Patch), "inService")
	case plan.Resize:
		state := inplace.ReadState(a.Pod)
		restarts := func(r inplace.Resize) bool { return r.Restarts }
		return state != nil && !slices.ContainsFunc(state.Resizes, restarts) && r.runsAll(a.Pod)
	}
	return false
}

// runsAll tells whether all containers of a pod run what the pod asks for: then its update is only still to be confirmed, since
// its resources are asked for first.
func (r *run) runsAll(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(containersIn(&pod.Spec), func(c *corev1.Container) bool {
		runs, ok := r.runsWhat(pod, c.Name, c.Image)
		return ok && !runs
	})
}

// action is called before each write.
//
// A late write comes from a manager that has a successor. What it does was within its own budget, and that of the
// successor, which could not know of it, is its own: neither can see the other, so that I1, I2 and I3 hold for each of
// them, and together they may exceed a limit once, by the rest of one plan. Names of new pods are the same for both, which
// leaves little of it. I4 and I5 hold without any exception, since what a late patch rests on is conditioned on the
// resourceVersion of the pod, and all else on its UID.
func (c *checker) action(a *plan.Action) {
	if !c.late {
		c.run.note("%s", a)
		c.run.acts++
		c.budgets(a)
		c.partition(a)
		c.victim(a)
		c.hooks(a)
		c.failures(a)
		if asksBudgets(a) {
			c.disruption(a)
		}
	}
	switch a.Kind {
	case plan.UpdateInPlace:
		c.hurries(a)
		c.drained(a)
		c.proved(a)
		c.pinned(a)
	case plan.CreatePod:
		c.pinned(a)
	case plan.Confirm:
		if !c.late {
			c.ledger(a)
		}
	case plan.Resize:
		c.resize(a)
	case plan.DeleteClaim, plan.AssignClaim:
		c.claim(a)
	case plan.Recreate:
		c.kept(a)
		c.keeps(a)
	case plan.CleanUp:
		c.keeps(a)
	}
}

func (c *checker) budgets(a *plan.Action) {
	switch a.Kind {
	case plan.CreatePod:
		c.surge(a)
		c.starting(a)
		c.created++
	case plan.Drain, plan.ScaleIn, plan.Recreate, plan.DeleteSpecified, plan.PrepareUpdate, plan.PrepareDelete:
		c.availability(a)
	case plan.UpdateInPlace:
		if len(restarted(a.Patch, a.Pod)) > 0 {
			c.availability(a)
		}
	}
}

// done is called after each write. One that was refused has taken nothing out of service.
func (c *checker) done(a *plan.Action, err error) {
	if a.Pod == nil {
		return
	}
	pod := c.run.world.Pod(a.Pod.Name)
	if pod == nil || pod.UID != a.Pod.UID {
		return
	}
	if a.Kind == plan.UpdateInPlace && !isExpected(err) && len(restarted(a.Patch, a.Pod)) > 0 && gateOf(pod) == corev1.ConditionFalse {
		c.run.begun[pod.UID] = true
	}
	if !isExpected(err) {
		c.restartsLater(a)
	}
	c.noteWithdrawal(a, pod)
	if !isExpected(err) {
		c.run.bring(a, pod)
	}
}

// noteWithdrawal takes note of what a write made of a pod's being in service.
func (c *checker) noteWithdrawal(a *plan.Action, pod *corev1.Pod) {
	if _, ok := c.manager.withdrawn[pod.UID]; ok && a.Kind == plan.Drain {
		c.manager.withdrawn[pod.UID] = pod.ResourceVersion
	}
	if gateOf(pod) != corev1.ConditionTrue {
		return
	}
	delete(c.run.begun, pod.UID)
	if pod.DeletionTimestamp == nil {
		delete(c.manager.withdrawn, pod.UID)
		delete(c.run.manager.withdrawn, pod.UID) // A late write has brought it back, and the caches tell.
	}
}

// availability is I1.
func (c *checker) availability(a *plan.Action) {
	if !c.isAvailable(a.Pod) {
		return
	}
	c.lastEndpoint(a)
	c.taken[a.Pod.UID] = true
	c.gone[a.Pod.UID] = a.Kind == plan.Drain || a.Verb == plan.VerbDelete
	if a.Kind == plan.Drain {
		c.manager.withdrawn[a.Pod.UID] = a.Pod.ResourceVersion
	}
	left := 0
	for _, pod := range c.in.Pods {
		if c.isAvailable(pod) {
			left++
		}
	}
	if floor := replicasOf(c.set) - maxUnavailableOf(c.set); left < floor {
		c.run.fail("I1: %s leaves %d available pods, fewer than %d", a, left, floor)
	}
}

// isAvailable tells whether a pod was seen available and was not taken out of service by the manager since.
func (c *checker) isAvailable(seen *corev1.Pod) bool {
	if c.taken[seen.UID] || c.isWithdrawn(seen) || isRestarting(seen) && !c.confirmed[seen.UID] {
		return false
	}
	return c.looksAvailable(seen)
}

// isWithdrawn tells whether the manager took a pod out of service, and nobody was seen to bring it back since: a manager
// before it may have done so late.
func (c *checker) isWithdrawn(seen *corev1.Pod) bool {
	since, ok := c.manager.withdrawn[seen.UID]
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(seen.ResourceVersion, since)
	return err != nil || order <= 0 || gateOf(seen) != corev1.ConditionTrue
}

func (c *checker) looksAvailable(seen *corev1.Pod) bool {
	if !isAlive(seen) || gateOf(seen) != corev1.ConditionTrue || !isReady(seen) || waits(c.set, seen) ||
		seen.Labels["app"] != "web" {
		return false
	}
	since := c.in.Now.Sub(conditionOf(seen, corev1.PodReady).LastTransitionTime.Time)
	return since >= time.Duration(c.set.Spec.MinReadySeconds)*time.Second
}

// surge is I2. Without surge, while paused and with OnDelete, the limit is replicas.
func (c *checker) surge(a *plan.Action) {
	alive := c.created
	for _, pod := range c.in.Pods {
		now := c.run.world.Pod(pod.Name)
		if now != nil && now.UID == pod.UID && c.counts(now) {
			alive++
		}
	}
	limit := replicasOf(c.set)
	if updatesPods(c.set) {
		limit += maxSurgeOf(c.set)
	}
	if alive >= limit {
		c.run.fail("I2: %s while %d pods exist of %d", a, alive, limit)
	}
	if alive-c.temporary() >= replicasOf(c.set) && !c.someGoesDown() {
		c.run.fail("I2: %s surges, and no pod is to go out of service", a)
	}
}

// counts tells whether a pod counts as one of the replicas.
func (c *checker) counts(pod *corev1.Pod) bool {
	excluded := c.set.Spec.ScaleStrategy.ExcludePreparingDelete && c.set.Spec.Lifecycle != nil &&
		stateOf(pod) == appsv1beta1.LifecyclePreparingDelete
	return isAlive(pod) && !excluded && pod.Labels["app"] == "web"
}

// someGoesDown tells whether a pod is to be restarted, replaced or deleted, or stands in for one that was.
func (c *checker) someGoesDown() bool {
	return slices.ContainsFunc(c.in.Pods, func(pod *corev1.Pod) bool {
		if !isAlive(pod) {
			return false
		}
		old := c.in.Revisions.Templates[pod.Labels[appsv1beta1.RevisionLabel]]
		return isSpecified(c.set, pod) || !c.looksAvailable(pod) || isRestarting(pod) || mayBeReplaced(pod) ||
			!c.atUpdate(pod) && (c.policy() == appsv1beta1.ReCreatePodUpdatePolicy ||
				!onlyMetadata(old, c.in.Revisions.Update.Template) || restarts(old, c.in.Revisions.Update.Template))
	})
}

func (c *checker) policy() appsv1beta1.PodUpdatePolicy {
	return c.set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy
}

// starting is scaleStrategy.maxUnavailable.
func (c *checker) starting(a *plan.Action) {
	count := c.created
	for _, pod := range c.in.Pods {
		if c.counts(pod) && !isSpecified(c.set, pod) && !c.leaving[pod.UID] && !isReady(pod) && gateOf(pod) != corev1.ConditionFalse &&
			!waits(c.set, pod) && !isRestarting(pod) {
			count++
		}
	}
	if limit := startingOf(c.set); count >= limit {
		c.run.fail("I1: %s while %d pods are starting, of no more than %d", a, count, limit)
	}
}

// partition is I3.
func (c *checker) partition(a *plan.Action) {
	switch a.Kind {
	case plan.CreatePod:
		if c.atUpdate(a.Pod) && !c.isStable() && c.old()+c.stable < partitionOf(c.set) {
			c.run.fail("I3: %s at the update revision while the partition lacks old pods", a)
		}
	case plan.Recreate, plan.UpdateInPlace, plan.ScaleIn:
		if a.Kind == plan.Recreate && isStranded(c.set, a.Pod) {
			c.moved[a.Pod.UID] = true // It can never start, and its successor is at the stable revision.
			return
		}
		if !c.atUpdate(a.Pod) && leavesRevision(a, c.in.Revisions.Update.Name) {
			c.leaves(a)
		}
	}
}

// leaves is I3 for an old pod that an action takes off its revision.
func (c *checker) leaves(a *plan.Action) {
	if a.Kind != plan.ScaleIn && !updatesPods(c.set) {
		c.run.fail("I3: %s while nothing is to be updated", a)
	}
	c.moved[a.Pod.UID] = true
	if c.isTemporary(a.Pod) {
		return
	}
	if left := c.old(); !c.isStable() && left < partitionOf(c.set) {
		c.run.fail("I3: %s leaves %d old pods, fewer than %d", a, left, partitionOf(c.set))
	}
}

// leavesRevision tells whether an action takes an old pod off its revision. A further patch of a pod that was begun for an
// older revision does not.
func leavesRevision(a *plan.Action, update string) bool {
	if a.Kind != plan.UpdateInPlace {
		return true
	}
	var change struct {
		Metadata struct{ Labels map[string]string }
	}
	return json.Unmarshal(a.Patch, &change) != nil || change.Metadata.Labels[appsv1beta1.RevisionLabel] == update
}

func (c *checker) atUpdate(pod *corev1.Pod) bool {
	return pod.Labels[appsv1beta1.RevisionLabel] == c.in.Revisions.Update.Name
}

// isStable tells whether the template was set back to the stable revision: then there is no older one to keep.
func (c *checker) isStable() bool { return c.in.Revisions.Update.Name == c.in.Revisions.Current.Name }

func (c *checker) old() int {
	count := 0
	for _, pod := range c.in.Pods {
		if isAlive(pod) && !c.moved[pod.UID] && !c.atUpdate(pod) && pod.Labels["app"] == "web" && !c.isTemporary(pod) {
			count++
		}
	}
	return count
}

// drained is I4. Containers that are declared to need no drain are excepted, and pods that no node has.
func (c *checker) drained(a *plan.Action) {
	pod := c.run.world.Pod(a.Pod.Name)
	if pod == nil || pod.UID != a.Pod.UID || pod.ResourceVersion != a.Pod.ResourceVersion {
		return
	}
	if pod.Spec.NodeName == "" {
		return // No kubelet has it. One that gets it in between makes the patch conflict.
	}
	c.outOfReach(a, pod, restarted(a.Patch, pod))
}

// outOfReach is I4 for a pod some of whose containers an action restarts.
func (c *checker) outOfReach(a *plan.Action, pod *corev1.Pod, names []string) {
	names = slices.DeleteFunc(names, func(name string) bool { return mayServe(c.set, name) })
	if len(names) == 0 {
		return
	}
	if ready := conditionOf(pod, corev1.PodReady); ready == nil || ready.Status != corev1.ConditionFalse {
		c.run.fail("I4: %s while the pod is ready", a)
	}
	switch {
	case c.inReach().Has(pod.UID):
		c.run.fail("I4: %s while the pod may be sent traffic", a)
	case !mayPatch(c.set, pod, c.run.world.Now()):
		c.run.fail("I4: %s before the pod was released", a)
	}
}

// inReach returns the pods that new connections may come to. That is asked of the service proxies, which lag behind the
// EndpointSlice; without a grace period nobody waits for them, nor for an endpoint that has not reached the cache yet, and the
// cached slices are asked.
func (c *checker) inReach() sets.Set[types.UID] {
	inReach := c.manager.slices.ServingEndpoints()
	if graceOf(c.set) > 0 {
		inReach = c.run.world.ServingEndpoints()
	}
	if graceOf(c.set) >= 2*time.Second && !c.run.publishes {
		inReach = inReach.Union(c.run.world.ProxyEndpoints())
	}
	return inReach
}

// restarted returns the containers of a pod that a patch restarts.
func restarted(patch []byte, pod *corev1.Pod) []string {
	var change struct {
		Spec struct {
			Containers, InitContainers []struct{ Name, Image string }
		}
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, wanted := range slices.Concat(change.Spec.Containers, change.Spec.InitContainers) {
		for _, have := range containersIn(&pod.Spec) {
			if have.Name == wanted.Name && have.Image != wanted.Image {
				names = append(names, have.Name)
			}
		}
	}
	return names
}

func equalSpecs(a, b *corev1.PodSpec) bool { return apiequality.Semantic.DeepEqual(a, b) }
