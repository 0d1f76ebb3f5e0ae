package observe

import (
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Ledger keeps what this process saw of updates over time: of those on their way the times of their steps, and of the last
// ones that ended how long their phases took. All of it may be lost at any time: nothing is decided by it.
type Ledger struct {
	mu    sync.Mutex
	books map[types.UID]*book
}

// book is that of one CloneSet.
type book struct {
	times map[types.UID]*inplace.Times
	// revision is the update revision of the last pass. Attended tells that this process saw it become that: pods that wait
	// for its images were seen to begin to.
	revision string
	attended bool
	samples  *samples
}

// NewLedger returns a Ledger that has seen nothing.
func NewLedger() *Ledger { return &Ledger{books: map[types.UID]*book{}} }

// SeePod takes note of a pod's status as it arrives, with the one before it if there was one. It returns how long the phases
// of an update took that is over by that, or nil. What a pod was before it had this owner is nothing that was seen of it: it
// may have been so for long.
func (l *Ledger) SeePod(owner types.UID, before, pod *corev1.Pod, now time.Time) inplace.Took {
	if before != nil && controllerOf(before) != controllerOf(pod) {
		before = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	if b == nil {
		b = newBook()
	}
	next, ended := b.times[pod.UID].See(before, pod, b.attended, now)
	switch {
	case next != nil:
		l.books[owner], b.times[pod.UID] = b, next
	default:
		delete(b.times, pod.UID)
	}
	return b.ended(ended)
}

// controllerOf returns the UID of the controller of a pod, or nothing.
func controllerOf(pod *corev1.Pod) types.UID {
	if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
		return ref.UID
	}
	return ""
}

// AwaitsEndpoints tells whether all that is missing of a pod's update is that its endpoints serve.
func (l *Ledger) AwaitsEndpoints(owner, pod types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	return b != nil && b.times[pod].AwaitsEndpoints()
}

// SeeEndpoints takes note of whether EndpointSlices list a pod, and have it serving, all of them. It returns how long the
// phases of an update took that is over by that, or nil.
func (l *Ledger) SeeEndpoints(owner, pod types.UID, listed, serving bool, now time.Time) inplace.Took {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	if b == nil {
		return nil
	}
	times := b.times[pod]
	if !times.AwaitsEndpoints() || listed && !serving {
		return nil
	}
	delete(b.times, pod)
	return b.ended(times.SeeEndpoints(listed, now))
}

// SeePlan takes note of which pods wait for images of the update revision, as a pass has found. One that found no revision,
// since the spec is invalid, has found nothing.
func (l *Ledger) SeePlan(owner types.UID, revision string, waiting []types.UID, now time.Time) {
	if revision == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	if b == nil {
		b = newBook()
		l.books[owner] = b
	}
	attended := b.revision != ""
	if b.revision != revision {
		b.attended, b.revision = attended, revision
		for uid, times := range b.times {
			if !times.IsBegun() {
				delete(b.times, uid) // It waited for images that it is not to have any more.
			}
		}
	}
	waits := make(map[types.UID]bool, len(waiting))
	for _, uid := range waiting {
		waits[uid] = true
		b.times[uid] = b.times[uid].SeeWaiting(true, attended, now)
	}
	for uid, times := range b.times {
		if times.Waits() && !waits[uid] {
			b.times[uid] = times.SeeWaiting(false, attended, now)
		}
	}
}

// SeeGone drops what was seen of a pod.
func (l *Ledger) SeeGone(owner, pod types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	if b == nil {
		return
	}
	if delete(b.times, pod); len(b.times) == 0 && b.revision == "" {
		delete(l.books, owner) // No pass was made for the CloneSet, which may be gone.
	}
}

// Forget drops what was seen of a CloneSet.
func (l *Ledger) Forget(owner types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.books, owner)
}

// All returns the times of updates on their way, by pod.
func (l *Ledger) All(owner types.UID) map[types.UID]*inplace.Times {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.books[owner]; b != nil {
		return maps.Clone(b.times)
	}
	return nil
}

// Figures returns how long updates took, or nil if none has ended, and whether others are on their way.
func (l *Ledger) Figures(owner types.UID) (figures *appsv1beta1.UpdateTimes, more bool) {
	if l == nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[owner]
	if b == nil {
		return nil, false
	}
	for _, times := range b.times {
		more = more || times.IsBegun()
	}
	if b.samples != nil {
		figures = b.samples.figures()
	}
	return figures, more
}

func newBook() *book { return &book{times: map[types.UID]*inplace.Times{}} }

// ended takes note of an update that is over. What is told of is those to the update revision.
func (b *book) ended(times *inplace.Times) inplace.Took {
	if times == nil {
		return nil
	}
	took := times.Took()
	if b.revision == "" || times.Revision() != b.revision {
		return took
	}
	if b.samples == nil || b.samples.revision != b.revision {
		b.samples = newSamples(b.revision)
	}
	b.samples.add(took)
	return took
}
