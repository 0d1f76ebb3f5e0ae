package kubelet

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
)

// statusSink is how a worker writes to the API.
type statusSink interface {
	// publish stores the part of a pod's status that a kubelet owns; conditions of others stay.
	publish(pod *corev1.Pod, status *corev1.PodStatus)
	// remove deletes a pod that has ended for good, with grace 0.
	remove(pod *corev1.Pod)
}

// node is what the pods of one node share.
type node struct {
	name   string
	hostIP string
	images *imageStore
	// lost cuts the kubelet off the API: its containers run on, but it sees and says nothing.
	lost bool
	// workers are its pods.
	workers []*worker
	losses  int
}

// worker is one pod on its kubelet. A sync is a script of steps, each of which takes its time; nothing else happens to
// the pod until the last one is over.
type worker struct {
	opts *Options
	node *node
	line *timeline
	sink statusSink
	rng  *rand.Rand

	pod        *corev1.Pod // the newest version seen
	containers []*container
	ip         string
	startTime  time.Time

	sandboxed   bool
	initialized bool // the init containers have once been completed
	terminating bool
	finished    bool // all containers have ended, and none will start
	gone        bool // the pod has left the API
	evicted     string
	pending     *pendingResize // nil while the pod was given what it asks for

	syncing   bool
	syncAgain bool
	failed    bool      // a start failed in the sync that runs
	retryAt   time.Time // the end of the back-off that failed it; zero if it was something else
	retries   int
	changed   bool // a container started or ended in it

	status  *corev1.PodStatus     // the newest generated one; nil before the first sync
	foreign []corev1.PodCondition // conditions of others, as of the last sync
	sending bool
}

func newWorker(opts *Options, n *node, line *timeline, sink statusSink, pod *corev1.Pod, ip string) *worker {
	w := &worker{
		opts: opts, node: n, line: line, sink: sink, rng: podRand(opts.Seed, pod.UID),
		pod: pod, containers: newContainers(pod), ip: ip, startTime: line.now,
	}
	w.adopt(pod)
	w.admit(pod)
	return w
}

// podRand returns a source of a pod's own, so that what happens to it does not depend on how many others there are.
func podRand(seed uint64, uid types.UID) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(uid))
	return rand.New(rand.NewPCG(seed, hash.Sum64()))
}

// after runs a function later, unless the pod has left by then.
func (w *worker) after(delay time.Duration, run func()) {
	w.line.after(w.opts.Timing.spread(delay, w.rng), func() {
		if !w.gone {
			run()
		}
	})
}

// observe takes in a newer version of the pod. Only what concerns a kubelet wakes the worker: another spec, a deletion,
// or readiness that does not fit the gates.
func (w *worker) observe(pod *corev1.Pod) {
	old := w.pod
	if w.pod = pod; pod.Generation != old.Generation {
		w.allocate()
	}
	switch {
	case w.finished:
		w.removeWhenReported()
	case w.status == nil, pod.Generation != old.Generation, pod.DeletionTimestamp != nil && !w.terminating:
		w.requestSync()
	case readyDiffers(pod):
		w.requestSync()
	}
	if w.overwritten(old) {
		w.send()
	}
}

// overwritten tells whether somebody else has just changed the readiness that this kubelet had published.
func (w *worker) overwritten(old *corev1.Pod) bool {
	if w.status == nil || w.sending {
		return false
	}
	mine := conditionStatus(w.status.Conditions, corev1.PodReady)
	was := conditionStatus(old.Status.Conditions, corev1.PodReady)
	return was == mine && conditionStatus(w.pod.Status.Conditions, corev1.PodReady) != mine
}

// evict ends the pod as a kubelet does under node pressure.
func (w *worker) evict(message string) {
	w.evicted = message
	w.requestSync()
}

// requestSync starts a sync now, or as soon as the one that runs is over.
func (w *worker) requestSync() {
	if w.syncing {
		w.syncAgain = true
		return
	}
	if !w.finished {
		w.sync()
	}
}

// sync publishes what is, then makes it what it should be.
func (w *worker) sync() {
	w.syncing, w.syncAgain, w.failed, w.changed, w.retryAt = true, false, false, false, time.Time{}
	pod := w.pod
	for _, c := range w.containers {
		c.granted = c.allocated
	}
	w.setStatus(w.generate(pod))
	w.failProbes(pod)
	w.run(w.script(pod))
}

// script lists what one sync has to do for this version of the pod.
func (w *worker) script(pod *corev1.Pod) []step {
	if pod.DeletionTimestamp != nil || w.evicted != "" {
		w.terminating = true
		return w.terminate(pod)
	}
	return w.converge(pod)
}

// step is a part of a sync: begin says how long it takes, end is what it leaves behind.
type step struct {
	begin func() time.Duration
	end   func()
}

func (w *worker) run(script []step) {
	if len(script) == 0 {
		w.endSync()
		return
	}
	first := script[0]
	w.after(first.begin(), func() {
		first.end()
		w.run(script[1:])
	})
}

// endSync looks again at once if something came in meanwhile; else when the kubelet notices what the sync has done.
func (w *worker) endSync() {
	w.syncing = false
	switch {
	case w.finished:
		w.setStatus(w.generate(w.pod))
		w.removeWhenReported()
	case w.syncAgain:
		w.sync()
	default:
		if w.changed {
			w.after(w.opts.Timing.Relist, w.requestSync)
		}
		w.retry()
	}
}

// setStatus keeps a newly generated status and has it sent, if it says anything new.
func (w *worker) setStatus(status *corev1.PodStatus) {
	w.stampTransitions(status)
	if w.status != nil && apiequality.Semantic.DeepEqual(w.status, status) {
		return
	}
	w.status = status
	w.send()
}

// send has the newest status sent after a while; what is generated until then replaces it.
func (w *worker) send() {
	if w.sending {
		return
	}
	w.sending = true
	delay := w.opts.Timing.Status
	if w.opts.LateStatus > 0 && w.rng.Float64() < w.opts.LateStatus {
		delay += w.opts.LateStatusBy
	}
	w.after(delay, w.flush)
}

// flush sends the status, or keeps it until the node is back.
func (w *worker) flush() {
	if w.node.lost {
		return
	}
	w.sending = false
	w.sink.publish(w.pod, w.status)
}

// reconnected sends what was held back while the node was lost.
func (w *worker) reconnected() {
	if w.sending {
		w.after(w.opts.Timing.Status, w.flush)
	}
}

// removeWhenReported asks for the removal of a deleted pod once the API shows that it has ended.
func (w *worker) removeWhenReported() {
	phase := w.pod.Status.Phase
	if w.pod.DeletionTimestamp != nil && (phase == corev1.PodFailed || phase == corev1.PodSucceeded) {
		w.sink.remove(w.pod)
	}
}

// containerID makes up the ID of a container's n-th restart.
func (w *worker) containerID(c *container, n int32) string {
	return fmt.Sprintf("containerd://%x", sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", w.pod.UID, c.name, n)))
}
