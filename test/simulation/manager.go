package simulation

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// manager is one life of the controller: caches that lag, each at a position of its own, what it remembers, and what it
// wrote and has not seen yet. It does what the reconciler does, without an API server.
type manager struct {
	run     *run
	pods    podCache
	slices  *kubelet.Cache
	claims  claimCache
	sets    int // how many versions of the CloneSet it has seen
	budgets int // and of the PodDisruptionBudget
	tracker *observe.Tracker
	// ledger is what it saw of updates since it was born. sliced is how much it has seen of what happened to endpoints.
	ledger *observe.Ledger
	born   time.Time
	sliced uint64

	// written are the latest versions that it wrote.
	written struct {
		pods                  string
		claims, sets, budgets int
	}
	deleted, deletedClaims map[string]types.UID
	doubts                 map[string]bool
	// taken are names of pods that are somebody else's, missing are pods that left the cache with no deletion seen, and
	// sought are claims that exist and that the cache does not hold.
	taken, sought map[string]bool
	missing       map[string]types.UID
	// refusal is why it could not make the last pod that pulls images.
	refusal *plan.Refusal
	// unresized are why it could not resize pods.
	unresized map[types.UID]plan.ResizeRefusal
	// diesAfter counts down the writes until the manager dies; negative means never.
	diesAfter int
	// withdrawn are pods that it took out of service and did not bring back, and the version that this made of them.
	withdrawn map[types.UID]string
}

func newManager(r *run) *manager {
	m := &manager{
		run: r, pods: podCache{byName: map[string]*corev1.Pod{}}, slices: r.world.NewCache(), tracker: observe.NewTracker(),
		claims:  claimCache{byName: map[string]*corev1.PersistentVolumeClaim{}},
		deleted: map[string]types.UID{}, deletedClaims: map[string]types.UID{}, doubts: map[string]bool{},
		taken: map[string]bool{}, sought: map[string]bool{}, missing: map[string]types.UID{},
		diesAfter: -1, withdrawn: map[types.UID]string{}, unresized: map[types.UID]plan.ResizeRefusal{},
	}
	m.catchUp(0) // An informer begins with a list of the latest state.
	m.beginLedger()
	return m
}

// podCache is a client's view of the pods that have our label.
type podCache struct {
	byName  map[string]*corev1.Pod
	seen    uint64
	version string
}

// catchUp takes in what happened, but for the newest few changes of each kind, and tells the tracker of each pod.
func (m *manager) catchUp(lag int) {
	behind := func() int { return m.run.rng.IntN(lag + 1) }
	missed := m.run.world.Events(m.pods.seen)
	for _, e := range missed[:max(len(missed)-behind(), 0)] {
		m.pods.seen = e.Seq
		if e.Pod != nil {
			m.see(&e)
		}
	}
	m.catchUpSlices(behind())
	m.claims.catchUp(m.run.claims, behind())
	m.sets = max(m.sets, len(m.run.sets)-m.run.rng.IntN(min(lag, 2)+1))
	m.budgets = max(m.budgets, len(m.run.budgets.versions)-behind())
}

// see takes in one change of a pod. To a client that selects by our label, a pod without it is gone.
func (m *manager) see(e *kubelet.Event) {
	raise(&m.pods.version, e.Pod.ResourceVersion)
	before := m.pods.byName[e.Pod.Name]
	if before != nil && before.UID != e.Pod.UID {
		before = nil
	}
	if inplace.IsRehearsal(e.Pod) {
		m.seeRehearsal(e)
		return
	}
	ours := e.Pod.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
	if e.Type == watch.Deleted || !ours {
		if before == nil {
			return
		}
		delete(m.pods.byName, e.Pod.Name)
		if owner := metav1.GetControllerOfNoCopy(before); owner != nil {
			m.tracker.SeeGone(owner.UID, e.Pod)
			m.gone(owner.UID, e.Pod.UID)
			if e.Pod.DeletionTimestamp == nil {
				m.missing[e.Pod.Name] = e.Pod.UID
			}
		}
		return
	}
	pod := observe.TrimPod(e.Pod)
	m.pods.byName[pod.Name] = pod
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		delete(m.missing, pod.Name)
		m.tracker.SeePod(owner.UID, before, pod, e.At)
		m.book(before, pod, e.At)
	}
}

// seeRehearsal takes in one change of a pod that pulls images.
func (m *manager) seeRehearsal(e *kubelet.Event) {
	if e.Type == watch.Deleted {
		delete(m.pods.byName, e.Pod.Name)
	} else {
		m.pods.byName[e.Pod.Name] = observe.TrimPod(e.Pod)
	}
}

// lags tells whether there is anything that the caches have not seen.
func (m *manager) lags() bool {
	return len(m.run.world.Events(m.pods.seen)) > 0 || m.slices.Lag() > 0 || m.claims.seen < len(m.run.claims.log) ||
		m.sets < len(m.run.sets) || m.budgets < len(m.run.budgets.versions)
}

func raise(current *string, rv string) {
	if order, err := resourceversion.CompareResourceVersion(rv, *current); *current == "" || err == nil && order > 0 {
		*current = rv
	}
}

// isFresh tells whether the caches hold all that was written.
func (m *manager) isFresh() bool {
	for name := range m.doubts {
		if pod := m.run.world.Pod(name); pod != nil {
			raise(&m.written.pods, pod.ResourceVersion)
		}
	}
	clear(m.doubts)
	maps.DeleteFunc(m.deleted, func(name string, uid types.UID) bool {
		pod := m.pods.byName[name]
		return pod == nil || pod.UID != uid || pod.DeletionTimestamp != nil
	})
	maps.DeleteFunc(m.deletedClaims, func(name string, uid types.UID) bool {
		claim := m.claims.byName[name]
		return claim == nil || claim.UID != uid || claim.DeletionTimestamp != nil
	})
	latest := m.written.pods
	raise(&latest, m.pods.version)
	return len(m.deleted)+len(m.deletedClaims) == 0 && (m.written.pods == "" || latest == m.pods.version) && m.holdsWritten()
}

// holdsWritten tells whether the caches of all but pods hold what was written.
func (m *manager) holdsWritten() bool {
	return m.claims.seen >= m.written.claims && m.sets >= m.written.sets && m.budgets >= m.written.budgets
}

// observe makes the snapshot that a pass is planned from.
func (m *manager) observe() plan.Input {
	world, set := m.run.world, m.run.sets[m.sets-1]
	now := world.Now()
	in := plan.Input{
		Set: set, Revisions: m.run.history.resolve(set), Now: now, Taken: m.taken, Resting: m.tracker.Resting(set.UID, now),
		Sightings: map[types.UID]*inplace.Sighting{},
		Refusal:   m.refusal, ResizeRefusals: m.unresized, Times: m.ledger.All(set.UID),
	}
	in.UpdateTimes, in.MoreUpdates = m.ledger.Figures(set.UID)
	serving := m.slices.ServingEndpoints()
	in.Endpoints = service{serving, m.run.publishes}
	for _, pod := range slices.Concat(slices.Collect(maps.Values(m.pods.byName)), m.lookForPods()) {
		switch {
		case !metav1.IsControlledBy(pod, set):
			continue
		case inplace.IsRehearsal(pod):
			in.Rehearsals = append(in.Rehearsals, pod)
			continue
		}
		in.Pods = append(in.Pods, pod)
		m.sight(pod, serving.Has(pod.UID), &in)
	}
	m.observeClaims(&in)
	m.observeBudget(&in)
	slices.SortFunc(in.Rehearsals, func(a, b *corev1.Pod) int { return compare(a.Name, b.Name) })
	slices.SortFunc(in.Pods, func(a, b *corev1.Pod) int { return compare(a.Name, b.Name) })
	m.run.rng.Shuffle(len(in.Pods), func(i, j int) { in.Pods[i], in.Pods[j] = in.Pods[j], in.Pods[i] })
	return in
}

// sight adds what was seen of a pod over time.
func (m *manager) sight(pod *corev1.Pod, serving bool, in *plan.Input) {
	gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
	switch {
	case gate == nil:
	case gate.Status == corev1.ConditionFalse:
		in.Sightings[pod.UID] = m.tracker.SeeDrained(pod.UID, inplace.IsDrained(pod, serving),
			inplace.IsReleased(pod, plan.DrainRulesOf(in.Set).Until), in.Now)
	case inplace.IsOpen(pod):
		in.Sightings[pod.UID] = m.tracker.SeeDrained(pod.UID, false, true, in.Now)
	}
}

// lookForPods reads those pods live that left the cache with no deletion seen.
func (m *manager) lookForPods() []*corev1.Pod {
	var found []*corev1.Pod
	for _, name := range slices.Sorted(maps.Keys(m.missing)) {
		pod := m.run.world.Pod(name)
		if pod == nil || pod.UID != m.missing[name] || metav1.GetControllerOfNoCopy(pod) == nil {
			delete(m.missing, name)
			continue
		}
		if pod.Labels[appsv1beta1.ManagedLabel] != appsv1beta1.ManagedLabelValue {
			found = append(found, observe.TrimPod(pod))
		}
	}
	return found
}

// observeClaims adds the claims, with those that are known to exist though the cache does not hold them.
func (m *manager) observeClaims(in *plan.Input) {
	for _, name := range slices.Sorted(maps.Keys(m.claims.byName)) {
		in.Claims = append(in.Claims, observe.TrimClaim(m.claims.byName[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(m.sought)) {
		live := m.run.claims.byName[name]
		if m.claims.byName[name] != nil || live == nil {
			delete(m.sought, name)
			continue
		}
		in.Claims = append(in.Claims, observe.TrimClaim(live))
	}
}

// apply performs actions in any order, and tells whether the manager lived to the end.
func (m *manager) apply(actions []plan.Action, check *checker) bool {
	failed := map[plan.Kind]bool{}
	for i := range actions {
		if m.diesAfter == 0 {
			return false
		}
		m.diesAfter--
		a := &actions[i]
		if failed[a.Kind] && (a.Kind == plan.CreatePod || a.Kind == plan.CreateClaim || a.Kind == plan.Rehearse) {
			continue // Creations end at the first failure.
		}
		check.action(a)
		err := m.do(a)
		failed[a.Kind] = failed[a.Kind] || err != nil
		check.done(a, err)
	}
	return true
}

// shuffle puts actions in any order, as they are performed in parallel.
func shuffle(rng *rand.Rand, actions []plan.Action) {
	rng.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
}

// do makes the call of an action, and takes note of what it wrote.
func (m *manager) do(a *plan.Action) error {
	switch {
	case a.Kind == plan.Pin:
		return m.pin(a)
	case a.Revision != nil && a.Verb == plan.VerbPatch:
		m.run.history.annotate(a.Revision.Name, a.Patch)
		m.run.wake(coalescing)
		return nil
	case a.Revision != nil:
		m.run.history.remove(a.Revision.Name)
		m.run.forgetChoices(a.Revision.Name)
		return nil
	case a.Claim != nil:
		return m.doClaim(a)
	case a.Budget != nil:
		return m.doBudget(a)
	}
	pod, err := m.call(a)
	switch a.Kind {
	case plan.Rehearse:
		m.refuse(a, err)
	case plan.Resize:
		m.refuseResize(a, err)
	}
	m.account(a, pod, err)
	return err
}

// pin records digests on a revision. The caches of those are never behind.
func (m *manager) pin(a *plan.Action) error {
	before, after := m.run.fault()
	if before == nil {
		before = m.run.history.pin(a.Revision, a.Patch)
	}
	m.run.wake(coalescing)
	return cmp.Or(before, after)
}

// account takes note of what a call for a pod wrote, or may have written.
func (m *manager) account(a *plan.Action, pod *corev1.Pod, err error) {
	switch {
	case err == nil && a.Verb == plan.VerbDelete:
		m.deleted[a.Pod.Name] = a.Pod.UID
	case err == nil:
		raise(&m.written.pods, pod.ResourceVersion)
	case a.Verb == plan.VerbCreate && apierrors.IsAlreadyExists(err):
		m.identify(a.Pod.Name)
	case isUncertain(err):
		m.doubts[a.Pod.Name] = true // Whether it took effect is not known.
		m.run.retry()
	case !isExpected(err):
		m.run.retry()
	}
}

// refuse takes note of why a pod that pulls images could not be made, or that it was.
func (m *manager) refuse(a *plan.Action, err error) {
	switch {
	case err == nil:
		m.refusal = nil
	case apierrors.IsForbidden(err):
		m.refusal = &plan.Refusal{
			Revision: a.Pod.Labels[appsv1beta1.RehearsalLabel], Message: err.Error(), At: m.run.world.Now(),
		}
	}
}

// identify finds out whose a pod is that has the name of one to be created.
func (m *manager) identify(name string) {
	pod := m.run.world.Pod(name)
	switch {
	case pod == nil:
		m.run.retry()
	case !metav1.IsControlledBy(pod, m.run.set()):
		m.taken[name] = true
		m.run.retry()
	case inplace.IsRehearsal(pod):
		raise(&m.written.pods, pod.ResourceVersion)
	case pod.Labels[appsv1beta1.ManagedLabel] != appsv1beta1.ManagedLabelValue:
		m.missing[name] = pod.UID
		m.run.retry()
	default:
		raise(&m.written.pods, pod.ResourceVersion)
	}
}

func isExpected(err error) bool { return apierrors.IsConflict(err) || apierrors.IsNotFound(err) }

// isUncertain tells whether a call that failed may have taken effect all the same.
func isUncertain(err error) bool {
	return apierrors.ReasonForError(err) == metav1.StatusReasonUnknown || apierrors.IsInternalError(err) || apierrors.IsTimeout(err)
}

func (m *manager) call(a *plan.Action) (*corev1.Pod, error) {
	world := m.run.world
	switch a.Verb {
	case plan.VerbCreate:
		return world.Create(a.Pod)
	case plan.VerbDelete:
		preconditions := metav1.NewUIDPreconditions(string(a.Pod.UID))
		if a.Unchanged {
			preconditions.ResourceVersion = &a.Pod.ResourceVersion
		}
		return world.Delete(a.Pod.Name, metav1.DeleteOptions{Preconditions: preconditions})
	case plan.VerbPatchResize:
		return world.Patch(a.Pod.Name, types.StrategicMergePatchType, a.Patch, "resize")
	case plan.VerbPatchStatus:
		return world.Patch(a.Pod.Name, types.StrategicMergePatchType, a.Patch, "status")
	}
	return world.Patch(a.Pod.Name, types.StrategicMergePatchType, a.Patch, "")
}

// doClaim makes a call for a claim. Where no event tells when to try again, it is tried again by itself.
func (m *manager) doClaim(a *plan.Action) error {
	before, after := m.run.fault()
	if before != nil {
		m.run.retry()
		return before
	}
	err := m.callClaim(a)
	switch {
	case err == nil && after != nil:
		err = after
	case err == nil && a.Verb == plan.VerbDelete:
		m.deletedClaims[a.Claim.Name] = a.Claim.UID
	case err == nil:
		m.written.claims = len(m.run.claims.log)
	case apierrors.IsAlreadyExists(err):
		m.sought[a.Claim.Name] = true
	}
	if err != nil && !apierrors.IsNotFound(err) {
		m.run.retry()
	}
	return err
}

func (m *manager) callClaim(a *plan.Action) error {
	var err error
	switch claims := m.run.claims; a.Verb {
	case plan.VerbCreate:
		_, err = claims.create(a.Claim)
	case plan.VerbDelete:
		err = claims.remove(a.Claim.Name, a.Claim.UID, m.run.world.Pods(), m.run.world.Now(), "the controller")
	default:
		_, err = claims.patch(a.Claim.Name, a.Patch)
	}
	return err
}

// report writes the status, if the CloneSet is still the one that it was made from.
func (m *manager) report(before *appsv1beta1.CloneSet, status *appsv1beta1.CloneSetStatus) {
	if equalStatus(&before.Status, status) {
		return
	}
	if before != m.run.set() {
		m.run.wake(time.Second)
		return
	}
	failed, lost := m.run.fault()
	if failed == nil {
		next := *m.run.set()
		if next.Status.CurrentRevision != status.CurrentRevision {
			m.run.wake(coalescing) // Of all changes of a status, this one asks for a pass.
		}
		next.Status = *status
		m.run.sets = append(m.run.sets, &next)
	}
	if failed == nil && lost == nil {
		m.written.sets = len(m.run.sets)
	} else {
		m.run.retry()
	}
}

// coalescing is the longest time between an event and the pass that it starts.
const coalescing = 200 * time.Millisecond
