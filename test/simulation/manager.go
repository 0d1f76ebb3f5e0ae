package simulation

import (
	"fmt"
	"math/rand/v2"
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
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// manager is one life of the controller: a cache that lags, what it remembers, and what it wrote and has not seen yet.
// It does what the reconciler does, without an API server.
type manager struct {
	world   *kubelet.World
	cache   *kubelet.Cache
	tracker *observe.Tracker
	rng     *rand.Rand
	// seen is the latest resourceVersion in the cache, and written the latest one that was written.
	seen, written string
	deleted       map[string]types.UID
	doubts        map[string]bool
	// diesAfter counts down the writes until the manager dies; negative means never.
	diesAfter int
}

func newManager(world *kubelet.World, rng *rand.Rand) *manager {
	m := &manager{
		world: world, cache: world.NewCache(), tracker: observe.NewTracker(), rng: rng,
		deleted: map[string]types.UID{}, doubts: map[string]bool{}, diesAfter: -1,
	}
	m.catchUp(0) // An informer begins with a list of the latest state.
	return m
}

// catchUp takes in the events of the world but for the newest few, and tells the tracker of each.
func (m *manager) catchUp(lag int) {
	missed := m.world.Events(0)
	from := len(missed) - m.cache.Lag()
	last := map[types.UID]*corev1.Pod{}
	for _, pod := range m.cache.Pods() {
		last[pod.UID] = pod
	}
	for _, e := range missed[from:max(len(missed)-lag, from)] {
		if e.Pod == nil {
			continue
		}
		raise(&m.seen, e.Pod.ResourceVersion)
		owner := metav1.GetControllerOfNoCopy(e.Pod)
		if owner == nil {
			continue
		}
		if e.Type == watch.Deleted {
			m.tracker.SeeGone(owner.UID, e.Pod)
		} else {
			m.tracker.SeePod(owner.UID, last[e.Pod.UID], observe.TrimPod(e.Pod), e.At)
			last[e.Pod.UID] = e.Pod
		}
	}
	m.cache.CatchUpBut(lag)
}

func raise(current *string, rv string) {
	if *current == "" || later(rv, *current) {
		*current = rv
	}
}

func later(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}

// isFresh tells whether the cache holds all that was written.
func (m *manager) isFresh() bool {
	for name := range m.doubts {
		if pod := m.world.Pod(name); pod != nil {
			raise(&m.written, pod.ResourceVersion)
		}
		delete(m.doubts, name)
	}
	for name, uid := range m.deleted {
		if pod := m.cache.Pod(name); pod != nil && pod.UID == uid && pod.DeletionTimestamp == nil {
			return false
		}
		delete(m.deleted, name)
	}
	return m.written == "" || (m.seen != "" && !later(m.written, m.seen))
}

// observe makes the snapshot that a pass is planned from.
func (m *manager) observe(set *appsv1beta1.CloneSet, revisions plan.Revisions) plan.Input {
	now := m.world.Now()
	in := plan.Input{Set: set, Revisions: revisions, Now: now, Sightings: map[types.UID]*inplace.Sighting{}}
	serving := m.cache.ServingEndpoints()
	for _, full := range m.cache.Pods() {
		if !metav1.IsControlledBy(full, set) {
			continue
		}
		pod := observe.TrimPod(full)
		in.Pods = append(in.Pods, pod)
		gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if gate != nil && gate.Status == corev1.ConditionFalse {
			drained := inplace.IsDrained(pod, serving.Has(pod.UID))
			in.Sightings[pod.UID] = m.tracker.SeeDrained(pod.UID, drained, now)
		}
	}
	m.rng.Shuffle(len(in.Pods), func(i, j int) { in.Pods[i], in.Pods[j] = in.Pods[j], in.Pods[i] })
	return in
}

// apply performs actions in any order, and tells whether the manager lived to the end.
func (m *manager) apply(actions []plan.Action, check *checker) bool {
	m.rng.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	for i := range actions {
		if m.diesAfter == 0 {
			return false
		}
		m.diesAfter--
		check.action(&actions[i])
		m.do(&actions[i])
		check.done(&actions[i])
	}
	return true
}

// do makes the call of an action, and takes note of what it wrote.
func (m *manager) do(a *plan.Action) {
	if a.Revision != nil {
		return
	}
	pod, err := m.call(a)
	switch {
	case err == nil && a.Verb == plan.VerbDelete:
		m.deleted[a.Pod.Name] = a.Pod.UID
	case err == nil:
		raise(&m.written, pod.ResourceVersion)
	case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
		m.doubts[a.Pod.Name] = true // Whether it took effect is not known.
	}
}

func (m *manager) call(a *plan.Action) (*corev1.Pod, error) {
	switch a.Verb {
	case plan.VerbCreate:
		return m.world.Create(a.Pod)
	case plan.VerbDelete:
		preconditions := metav1.NewUIDPreconditions(string(a.Pod.UID))
		return m.world.Delete(a.Pod.Name, metav1.DeleteOptions{Preconditions: preconditions})
	case plan.VerbPatchStatus:
		return m.world.Patch(a.Pod.Name, types.StrategicMergePatchType, a.Patch, "status")
	}
	return m.world.Patch(a.Pod.Name, types.StrategicMergePatchType, a.Patch, "")
}

// history keeps the revisions of the simulated CloneSet.
type history struct {
	templates map[string]*corev1.PodTemplateSpec
	order     []string
}

// resolve returns the revisions of a CloneSet, the way the real ones are found.
func (h *history) resolve(set *appsv1beta1.CloneSet) plan.Revisions {
	name := ""
	for _, known := range h.order {
		if revision.Equal(h.templates[known], &set.Spec.Template) {
			name = known
		}
	}
	if name == "" {
		name = fmt.Sprintf("%s-r%d", set.Name, len(h.order)+1)
		h.order = append(h.order, name)
		h.templates[name] = set.Spec.Template.DeepCopy()
	}
	r := plan.Revisions{Templates: h.templates, Update: plan.Revision{Name: name, Template: h.templates[name]}}
	r.Current = r.Update
	if t := h.templates[set.Status.CurrentRevision]; t != nil {
		r.Current = plan.Revision{Name: set.Status.CurrentRevision, Template: t}
	}
	return r
}

// coalescing is the longest time between an event and the pass that it starts.
const coalescing = 200 * time.Millisecond
