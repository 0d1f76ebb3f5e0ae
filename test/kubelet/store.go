package kubelet

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// store puts a version of a pod in place, dates it and tells everybody. The pod must not be changed afterwards.
func (w *World) store(pod *corev1.Pod, event watch.EventType) {
	w.revision++
	pod.ResourceVersion = strconv.FormatUint(w.revision, 10)
	w.pods[pod.Name] = pod
	w.record(Event{Type: event, Pod: pod})
	w.tell(pod)
}

// drop takes a pod out of the API.
func (w *World) drop(pod *corev1.Pod) {
	last := *pod
	w.revision++
	last.ResourceVersion = strconv.FormatUint(w.revision, 10)
	delete(w.pods, pod.Name)
	w.record(Event{Type: watch.Deleted, Pod: &last})
	w.tell(&last)
}

func (w *World) record(e Event) {
	e.Seq, e.At = uint64(len(w.log))+1, w.line.now
	w.log = append(w.log, e)
}

// tell has the kubelet and the EndpointSlice follow a change.
func (w *World) tell(pod *corev1.Pod) {
	w.followEndpoint(pod)
	if pod.Spec.NodeName == "" || w.notified[pod.UID] {
		return
	}
	w.notified[pod.UID] = true
	name, uid := pod.Name, pod.UID
	w.after(w.opts.Timing.Watch, func() { w.deliver(name, uid) })
}

// deliver shows the kubelet the pod as it is now; versions in between are never seen.
func (w *World) deliver(name string, uid types.UID) {
	delete(w.notified, uid)
	pod, worker := w.pods[name], w.workers[uid]
	if pod == nil || pod.UID != uid {
		w.forget(uid)
		return
	}
	n := w.node(pod.Spec.NodeName)
	if n == nil || n.lost {
		return
	}
	if worker == nil {
		w.ips++
		worker = newWorker(&w.opts.Options, n, &w.line, w, pod, podIP(w.ips))
		w.workers[uid] = worker
	}
	worker.observe(pod)
}

// forget ends the containers of a pod that is no longer in the API, unless its node does not know.
func (w *World) forget(uid types.UID) {
	if worker := w.workers[uid]; worker != nil && !worker.node.lost {
		worker.leaves()
		delete(w.workers, uid)
	}
}

// podIP numbers the addresses of 10.128.0.0/9.
func podIP(n uint64) string {
	return fmt.Sprintf("10.%d.%d.%d", 128+n>>16&127, n>>8&255, n&255)
}

// publish implements statusSink.
func (w *World) publish(pod *corev1.Pod, status *corev1.PodStatus) {
	have := w.pods[pod.Name]
	if have == nil || have.UID != pod.UID {
		return
	}
	merged := mergeStatus(&have.Status, status)
	if apiequality.Semantic.DeepEqual(have.Status, merged) {
		return
	}
	next := *have
	next.Status = merged
	w.store(&next, watch.Modified)
}

// remove implements statusSink.
func (w *World) remove(pod *corev1.Pod) {
	have := w.pods[pod.Name]
	if have == nil || have.UID != pod.UID {
		return
	}
	w.finalize(have)
}

// finalize takes a pod out unless finalizers hold it; then it goes with the last of them.
func (w *World) finalize(pod *corev1.Pod) {
	if len(pod.Finalizers) == 0 {
		w.drop(pod)
		return
	}
	if pod.DeletionGracePeriodSeconds != nil && *pod.DeletionGracePeriodSeconds == 0 {
		return
	}
	held := *pod
	held.DeletionGracePeriodSeconds = new(int64)
	w.store(&held, watch.Modified)
}

// scheduleRetry is how long the scheduler leaves a pod alone that cannot be bound.
const scheduleRetry = time.Second

// schedule binds a pod to the live node with the fewest pods. Binding does not change the generation.
func (w *World) schedule(name string, uid types.UID) {
	pod := w.pods[name]
	if pod == nil || pod.UID != uid || pod.Spec.NodeName != "" {
		return
	}
	n := w.emptiest()
	if may := w.opts.Schedulable; may != nil && !may(pod) {
		w.after(scheduleRetry, func() { w.schedule(name, uid) })
		return
	}
	if n == nil {
		w.after(w.opts.Timing.NodeUnreachable+w.opts.Timing.Schedule, func() { w.schedule(name, uid) })
		return
	}
	bound := *pod
	bound.Spec.NodeName = n.name
	bound.Status.Conditions = append(slices.Clip(bound.Status.Conditions),
		corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: apiTime(w.line.now)})
	w.store(&bound, watch.Modified)
}

func (w *World) emptiest() *node {
	load := map[string]int{}
	for _, pod := range w.pods {
		load[pod.Spec.NodeName]++
	}
	var best *node
	for _, n := range w.nodes {
		if !n.lost && (best == nil || load[n.name] < load[best.name]) {
			best = n
		}
	}
	return best
}
