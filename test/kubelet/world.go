package kubelet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// WorldOptions describe a World.
type WorldOptions struct {
	Options
	// Start is the time at which the world begins; zero means the start of the year 2026.
	Start time.Time
	// Nodes is how many nodes there are, at least one.
	Nodes int
	// Selector is that of the one Service of the world; nil means that there is none.
	Selector labels.Selector
	// PublishNotReadyAddresses is the Service's field of that name.
	PublishNotReadyAddresses bool
	// Schedulable tells whether a pod can be bound now, as when its claims are there. It is asked until it can be, and must
	// not use the world; nil means that all can.
	Schedulable func(*corev1.Pod) bool
}

// World is an API server for the pods of one namespace, with nodes, kubelets, a scheduler and a Service, all in memory
// and on a virtual clock that moves only when told to. With the same options and the same calls it does the same.
//
// Pods handed out are shared and never change; whoever wants to change one copies it first. All methods may be called
// from several goroutines; the order of concurrent calls is then up to the caller.
type World struct {
	mu   sync.Mutex
	opts WorldOptions
	line timeline
	rng  *rand.Rand

	pods      map[string]*corev1.Pod
	nodes     []*node
	workers   map[types.UID]*worker
	notified  map[types.UID]bool // a version of the pod is on its way to the kubelet
	endpoints *endpointView
	log       []Event
	faults    Fault

	revision, uids, ips uint64
	outside             func() // a callback of the user's, to be run without the lock
}

// Event is one change in the world, of a pod or of an endpoint; the other one is nil.
type Event struct {
	// Seq counts the events from 1.
	Seq  uint64
	At   time.Time
	Type watch.EventType
	Pod  *corev1.Pod
	// Endpoint is the entry of the EndpointSlice after the change, or the last one before it was deleted.
	Endpoint *Endpoint
}

// NewWorld returns a world without pods, all nodes ready.
func NewWorld(opts WorldOptions) *World {
	if opts.Start.IsZero() {
		opts.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	w := &World{
		opts: opts, line: timeline{now: opts.Start}, rng: rand.New(rand.NewPCG(opts.Seed, 0)),
		pods: map[string]*corev1.Pod{}, workers: map[types.UID]*worker{}, notified: map[types.UID]bool{},
		endpoints: newEndpointView(),
	}
	for i := range max(opts.Nodes, 1) {
		w.nodes = append(w.nodes, &node{
			name: fmt.Sprintf("node-%d", i), hostIP: fmt.Sprintf("10.0.0.%d", i+1), images: newImageStore(),
		})
	}
	return w
}

// Now returns the world's time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.line.now
}

// NextDue returns when something happens next by itself; false means never.
func (w *World) NextDue() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.line.next()
}

// Advance moves on to the next due time and lets everything happen that is due then. It returns that time; false means
// that nothing is left to happen.
func (w *World) Advance() (time.Time, bool) {
	due, ok := w.NextDue()
	if ok {
		w.AdvanceTo(due)
	}
	return due, ok
}

// AdvanceTo lets everything happen that is due until then, and sets the clock there. It never goes back.
func (w *World) AdvanceTo(until time.Time) {
	for w.step(until) {
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if until.After(w.line.now) {
		w.line.now = until
	}
}

// AdvanceUntil advances step by step until done returns true, asked before the first step and after each one; false
// means that it did not within the limit, or that nothing was left to happen.
func (w *World) AdvanceUntil(limit time.Duration, done func() bool) bool {
	end := w.Now().Add(limit)
	for !done() {
		due, ok := w.NextDue()
		if !ok || due.After(end) {
			return false
		}
		w.AdvanceTo(due)
	}
	return true
}

// After has a function called when that much time has passed. It may use the world.
func (w *World) After(delay time.Duration, run func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line.after(delay, func() { w.outside = run })
}

// step lets the next thing happen unless it is due after the limit.
func (w *World) step(until time.Time) bool {
	w.mu.Lock()
	due, ok := w.line.next()
	if !ok || due.After(until) {
		w.mu.Unlock()
		return false
	}
	w.line.pop()()
	outside := w.outside
	w.outside = nil
	w.mu.Unlock()
	if outside != nil {
		outside()
	}
	return true
}

// after is for the world's own doings: with jitter, and under the lock.
func (w *World) after(delay time.Duration, run func()) {
	w.line.after(w.opts.Timing.spread(delay, w.rng), run)
}

// Pods returns all pods, sorted by name.
func (w *World) Pods() []*corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedPods(w.pods)
}

func sortedPods(byName map[string]*corev1.Pod) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(byName))
	for _, pod := range byName {
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// Pod returns a pod by its name, nil if there is none.
func (w *World) Pod(name string) *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pods[name]
}

// Events returns what happened after the event with that sequence number, 0 for everything.
func (w *World) Events(after uint64) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log[min(after, uint64(len(w.log))):]
}

// TrulyRuns returns the image string that a container was started with, if it runs right now: the truth, whatever the
// pod's status says.
func (w *World) TrulyRuns(uid types.UID, name string) (image string, running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.container(uid, name)
	if c == nil || !c.running() {
		return "", false
	}
	return c.current.image, true
}

// TrulyHas returns the resources that a container has, if it runs right now, or nil: the truth, whatever the pod's status says.
func (w *World) TrulyHas(uid types.UID, name string) *corev1.ResourceRequirements {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.container(uid, name)
	if c == nil || !c.running() {
		return nil
	}
	return c.current.resources
}

// TrueDigest returns the digest of what a container runs, if it runs right now: the truth, whatever the pod's status says.
func (w *World) TrueDigest(uid types.UID, name string) (digest string, running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.container(uid, name)
	if c == nil || !c.running() {
		return "", false
	}
	return c.current.digest, true
}

// HasImage tells whether a node has an image, by the name that a pod asks for it.
func (w *World) HasImage(node, ref string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.node(node)
	if n == nil {
		return false
	}
	_, found := n.images.local(ref)
	return found
}

// Starts returns how often a container has been started.
func (w *World) Starts(uid types.UID, name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.container(uid, name)
	if c == nil || c.current == nil {
		return 0
	}
	return int(c.current.restarts) + 1
}

func (w *World) container(uid types.UID, name string) *container {
	worker := w.workers[uid]
	if worker == nil {
		return nil
	}
	for _, c := range worker.containers {
		if c.name == name {
			return c
		}
	}
	return nil
}
