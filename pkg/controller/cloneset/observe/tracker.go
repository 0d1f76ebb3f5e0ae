package observe

import (
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Tracker is what this process remembers between passes. All of it may be lost at any time: what it makes quicker or
// tidier works without it.
type Tracker struct {
	mu        sync.Mutex
	sightings map[types.UID]*inplace.Sighting
	owners    map[types.UID]*memory
}

// memory is what is remembered of one CloneSet.
type memory struct {
	// known are the pods, not terminating, that the last pass found in the cache, by name.
	known map[string]types.UID
	// missing are pods that left the cache with no deletion seen, by name.
	missing map[string]types.UID
	// looked tells that pods were looked for that the cache cannot hold.
	looked bool
	// left are names of pods that left, and since when that is known.
	left map[string]time.Time
	// taken are names of pods that belong to somebody else.
	taken map[string]bool
	// createError is why the last pod was refused, and refusal why the last rehearsal was.
	createError string
	refusal     *plan.Refusal
	// resizes are why pods could not be resized.
	resizes map[types.UID]plan.ResizeRefusal
	// sought are claims that exist and that the cache does not hold, and whether they are known to be somebody else's.
	sought map[string]bool
	// refusedClaim is the claim that was refused last, and claimError why.
	refusedClaim, claimError string
}

// NewTracker returns a Tracker that remembers nothing.
func NewTracker() *Tracker {
	return &Tracker{sightings: map[types.UID]*inplace.Sighting{}, owners: map[types.UID]*memory{}}
}

func (t *Tracker) owner(uid types.UID) *memory {
	m := t.owners[uid]
	if m == nil {
		m = &memory{
			known: map[string]types.UID{}, missing: map[string]types.UID{}, taken: map[string]bool{}, sought: map[string]bool{},
			resizes: map[types.UID]plan.ResizeRefusal{}, left: map[string]time.Time{},
		}
		t.owners[uid] = m
	}
	return m
}

// SeePod takes note of a pod's status as it arrives, with the one before it if there was one.
func (t *Tracker) SeePod(owner types.UID, before, pod *corev1.Pod, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		delete(m.missing, pod.Name)
	}
	if inplace.IsReady(pod) && !inplace.IsOpen(pod) {
		t.seeReady(pod, now)
		return
	}
	seen := t.sightings[pod.UID].See(pod, now)
	if before != nil && inplace.SaysReady(before) && !inplace.SaysReady(pod) {
		seen = seen.SeeUnready(now)
	}
	t.sightings[pod.UID] = seen
}

// seeReady drops what was seen of a pod on its way, and takes note of when it was ready, if the pod cannot tell: it says
// that it became so in the future.
func (t *Tracker) seeReady(pod *corev1.Pod, now time.Time) {
	seen := t.sightings[pod.UID]
	delete(t.sightings, pod.UID)
	if !inplace.Condition(pod, corev1.PodReady).LastTransitionTime.After(now) {
		return
	}
	if seen != nil && !seen.ReadySince.IsZero() {
		now = seen.ReadySince
	}
	t.sightings[pod.UID] = (*inplace.Sighting)(nil).SeeReady(now)
}

// SeeReady takes note of a ready pod that says that it became so in the future, and returns what was seen of it.
func (t *Tracker) SeeReady(pod *corev1.Pod, now time.Time) *inplace.Sighting {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seeReady(pod, now)
	return t.sightings[pod.UID]
}

// SeeGone takes note that a pod left the cache. If no deletion was seen, it may have lost its label only, and has to be
// looked for.
func (t *Tracker) SeeGone(owner types.UID, pod *corev1.Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sightings, pod.UID)
	m := t.owner(owner)
	delete(m.resizes, pod.UID)
	m.leave(pod.Name)
	if pod.DeletionTimestamp == nil {
		m.missing[pod.Name] = pod.UID
	} else if m.known[pod.Name] == pod.UID {
		delete(m.known, pod.Name)
	}
}

// SeeAll takes note of the pods that a pass finds in the cache. One that the pass before found and that is not there any
// more has to be looked for, too: the event that tells how it left may be on its way still.
func (t *Tracker) SeeAll(owner types.UID, pods []*corev1.Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, alive := t.owner(owner), 0
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			delete(m.known, pod.Name)
			m.leave(pod.Name)
			continue
		}
		m.known[pod.Name] = pod.UID
		alive++
	}
	if len(m.known) == alive {
		return
	}
	here := make(map[string]bool, alive)
	for _, pod := range pods {
		here[pod.Name] = true
	}
	for name, uid := range m.known {
		if !here[name] {
			m.missing[name] = uid
			delete(m.known, name)
			m.leave(name)
		}
	}
}

// SeeDrained takes note of whether a pod whose gate is off is drained, and released, and returns what was seen of it.
func (t *Tracker) SeeDrained(uid types.UID, drained, released bool, now time.Time) *inplace.Sighting {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.sightings[uid].SeeDrained(drained, released, now)
	t.sightings[uid] = next
	return next
}

// missing returns the pods that have to be looked for.
func (t *Tracker) missing(owner types.UID) map[string]types.UID {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return maps.Clone(m.missing)
	}
	return nil
}

// hasLooked tells whether pods of a CloneSet were looked for that the cache cannot hold.
func (t *Tracker) hasLooked(owner types.UID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.owners[owner]
	return m != nil && m.looked
}

// looked takes note that they were.
func (t *Tracker) looked(owner types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner(owner).looked = true
}

// found takes note that a pod needs no more looking for.
func (t *Tracker) found(owner types.UID, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.owner(owner).missing, name)
}

// SeeTaken takes note that a pod's name belongs to somebody else.
func (t *Tracker) SeeTaken(owner types.UID, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner(owner).taken[name] = true
}

func (t *Tracker) taken(owner types.UID) map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return maps.Clone(m.taken)
	}
	return nil
}

// SeeCreateError takes note of why a pod was refused, or with an empty text that one was made.
func (t *Tracker) SeeCreateError(owner types.UID, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner(owner).createError = text
}

func (t *Tracker) createError(owner types.UID) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return m.createError
	}
	return ""
}

// SeeRefusal takes note of why a rehearsal was refused, or with nil that one was made.
func (t *Tracker) SeeRefusal(owner types.UID, refusal *plan.Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner(owner).refusal = refusal
}

func (t *Tracker) refusal(owner types.UID) *plan.Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return m.refusal
	}
	return nil
}

// SeeResizeRefusal takes note of why a pod could not be resized, or with nil that it could.
func (t *Tracker) SeeResizeRefusal(owner, pod types.UID, refusal *plan.ResizeRefusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if refusal == nil {
		delete(t.owner(owner).resizes, pod)
		return
	}
	t.owner(owner).resizes[pod] = *refusal
}

func (t *Tracker) resizeRefusals(owner types.UID) map[types.UID]plan.ResizeRefusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return maps.Clone(m.resizes)
	}
	return nil
}

// Forget drops what is remembered of a CloneSet.
func (t *Tracker) Forget(owner types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.owners, owner)
}
