package simulation

import (
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// beginLedger begins what the manager sees of updates. What its caches began with is all that it knows of the time before.
func (m *manager) beginLedger() {
	m.ledger, m.born = observe.NewLedger(), m.run.world.Now()
	for _, pod := range m.pods.byName {
		m.book(nil, pod, m.born)
	}
}

// book takes note of what a pod's status tells of its update.
func (m *manager) book(before, pod *corev1.Pod, now time.Time) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if m.ledger == nil || owner == nil || inplace.IsRehearsal(pod) {
		return
	}
	m.checkTook(pod.UID, m.ledger.SeePod(owner.UID, before, pod, now))
	m.bookEndpoint(pod.UID, m.run.world.Now())
}

// gone drops what was seen of a pod.
func (m *manager) gone(owner, pod types.UID) {
	if m.ledger != nil {
		m.ledger.SeeGone(owner, pod)
	}
}

// bookEndpoint takes note of whether the slice that the cache holds has a pod serving.
func (m *manager) bookEndpoint(pod types.UID, now time.Time) {
	if m.ledger == nil || !m.ledger.AwaitsEndpoints(m.run.set().UID, pod) {
		return
	}
	endpoint, listed := m.slices.Endpoint(pod)
	m.checkTook(pod, m.ledger.SeeEndpoints(m.run.set().UID, pod, listed, endpoint.Serving, now))
}

// catchUpSlices takes in what happened to endpoints, but for the newest few changes.
func (m *manager) catchUpSlices(behind int) {
	missed := m.run.world.Events(m.sliced)
	m.slices.CatchUpBut(behind)
	for _, e := range missed[:max(len(missed)-behind, 0)] {
		if m.sliced = e.Seq; e.Endpoint != nil {
			m.bookEndpoint(e.Endpoint.UID, e.At)
		}
	}
}

// checkTook is I12 for an update that is over: no phase is shorter than none, together they are the time out of service, and
// that is the one that the pod had, as long as the manager was there to see it. What it did not see is not told.
func (m *manager) checkTook(pod types.UID, took inplace.Took) {
	if took == nil {
		return
	}
	for phase, length := range took {
		if length < 0 {
			m.run.fail("I12: %s of pod %s took %s", phase, pod, length)
		}
	}
	out, ok := took[appsv1beta1.UpdateOutOfService]
	if sum, known := sumOf(took); known && (!ok || out != sum) {
		m.run.fail("I12: pod %s was out of service for %s (%t), the phases are %v", pod, out, ok, took)
	}
	if ok {
		m.checkOut(pod, out)
	}
}

// sumOf returns the sum of the phases in which a pod is out of service, and whether all of them are known.
func sumOf(took inplace.Took) (sum time.Duration, known bool) {
	known = true
	for _, phase := range []appsv1beta1.UpdatePhase{
		appsv1beta1.UpdateDrain, appsv1beta1.UpdateStop, appsv1beta1.UpdateStart, appsv1beta1.UpdateReady, appsv1beta1.UpdateEndpoints,
	} {
		length, ok := took[phase]
		sum, known = sum+length, known && ok
	}
	return sum, known
}

func (m *manager) checkOut(pod types.UID, out time.Duration) {
	off, _, on := m.outage(pod)
	now := m.run.world.Now()
	switch {
	case off.Before(m.born):
		m.run.fail("I12: pod %s was out of service for %s, and nobody can know since when", pod, out)
	case out > now.Sub(off) || out < on.Sub(off):
		m.run.fail("I12: pod %s was out of service for %s, and it cannot have been: %s and %s", pod, out, on.Sub(off), now.Sub(off))
	}
}

// outage returns when the gate of a pod was turned off last, as far as the manager has seen, when the pod was patched after
// that, as its state tells and not its generation, which somebody's resize raises, too, and when its gate was turned on again;
// zero times where it was not.
func (m *manager) outage(uid types.UID) (off, patched, on time.Time) {
	var last *corev1.Pod
	var drained int64
	for _, e := range m.seenOf(uid) {
		if last != nil && gateOf(last) != gateOf(e.Pod) {
			if on = e.At; gateOf(e.Pod) == corev1.ConditionFalse {
				off, patched, on, drained = e.At, time.Time{}, time.Time{}, e.Pod.Generation
			}
		}
		state := inplace.ReadState(e.Pod)
		if patched.IsZero() && on.IsZero() && !off.IsZero() && state != nil && state.Generation > drained {
			patched = e.At
		}
		last = e.Pod
	}
	return off, patched, on
}

// seenOf returns what the manager has seen to happen to a pod.
func (m *manager) seenOf(uid types.UID) []kubelet.Event {
	var seen []kubelet.Event
	for _, e := range m.run.world.Events(0) {
		if e.Seq <= m.pods.seen && e.Pod != nil && e.Pod.UID == uid {
			seen = append(seen, e)
		}
	}
	return seen
}

// ledger is I12 for what a pod is told of its update when it is confirmed: how long the drain took is right or not told, and
// no more restarts are said to be planned than there were.
func (c *checker) ledger(a *plan.Action) {
	last := toldBy(a.Patch)
	if last == nil {
		c.run.fail("I12: %s tells nothing of the update", a)
		return
	}
	if took, ok := last.Phases[appsv1beta1.UpdateDrain]; ok && !c.run.edited[a.Pod.UID] {
		off, patched, _ := c.manager.outage(a.Pod.UID)
		if off.Before(c.manager.born) || took.Duration != patched.Sub(off).Round(time.Millisecond) {
			c.run.fail("I12: %s tells of a drain of %s, and it was one of %s", a, took.Duration, patched.Sub(off))
		}
	}
	for name, planned := range last.PlannedRestarts { // Of pods that somebody edits, too.
		if starts := c.run.world.Starts(a.Pod.UID, name); starts > 0 && int(planned) >= starts {
			c.run.fail("I12: %s tells of %d planned restarts of %s, which was started %d times", a, planned, name, starts)
		}
	}
	if want := changed(a.Pod); want != nil && last.PlannedRestarts[*want] == 0 {
		c.run.fail("I12: %s tells of no planned restart of %s", a, *want)
	}
}

// changed returns a container that the state of a pod records and that is another one by now, or nil. Not among them are those
// that the pod was told of before, which may have stayed then and crashed since, and those that may have crashed while they
// wait for the restart that gives them other resources.
func changed(pod *corev1.Pod) *string {
	state, told := inplace.ReadState(pod), inplace.ReadLastUpdate(pod)
	for _, r := range state.Records {
		if told != nil && slices.Contains(told.Counted, r.ContainerID) || r.Done && waitsForRestart(state, r.Name) {
			continue
		}
		now := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == r.Name })
		if r.ContainerID != "" && now >= 0 && pod.Status.ContainerStatuses[now].ContainerID != r.ContainerID {
			return &r.Name
		}
	}
	return nil
}

func waitsForRestart(state *inplace.State, name string) bool {
	return slices.ContainsFunc(state.Resizes, func(r inplace.Resize) bool { return r.Restarts && r.Container == name })
}

// toldBy returns what a patch has a pod tell of its last update, or nil.
func toldBy(patch []byte) *inplace.LastUpdate {
	var change struct{ Metadata metav1.ObjectMeta }
	if json.Unmarshal(patch, &change) != nil {
		return nil
	}
	return inplace.ReadLastUpdate(&corev1.Pod{ObjectMeta: change.Metadata})
}
