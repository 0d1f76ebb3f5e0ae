package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Fault decides what goes wrong with one API call, named by its verb ("create", "delete", "patch", "patch/status") and
// the pod. A call with an error before has no effect; with one after, it takes effect but its caller does not know.
// It runs while the world is locked, and so must not use it.
type Fault func(verb, pod string) (before, after error)

// InjectFaults has every API call from now on pass through this function; nil ends it.
func (w *World) InjectFaults(f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = f
}

// LoseNode cuts a node off the network: its containers run on, but its kubelet sees and says nothing. After the times in
// Timing its pods are marked unready, later deleted; they stay, terminating, until the node is back or somebody deletes
// them with grace 0.
func (w *World) LoseNode(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.node(name)
	if n == nil || n.lost {
		return
	}
	n.lost = true
	n.losses++
	w.ifStillLost(n, w.opts.Timing.NodeUnreachable, w.markUnready)
	w.ifStillLost(n, w.opts.Timing.NodeUnreachable+w.opts.Timing.NodeEviction, func(pod *corev1.Pod) {
		w.deleted(pod, deleteGrace(pod, nil))
	})
}

// ifStillLost does something to each pod of a lost node, unless the node is back by then.
func (w *World) ifStillLost(n *node, delay time.Duration, do func(*corev1.Pod)) {
	loss := n.losses
	w.after(delay, func() {
		if !n.lost || n.losses != loss {
			return
		}
		for _, pod := range sortedPods(w.pods) {
			if pod.Spec.NodeName == n.name {
				do(pod)
			}
		}
	})
}

// markUnready is what the node controller does to the pods of a node that it does not hear of.
func (w *World) markUnready(pod *corev1.Pod) {
	marked := *pod
	marked.Status.Conditions = append([]corev1.PodCondition(nil), pod.Status.Conditions...)
	for i := range marked.Status.Conditions {
		c := &marked.Status.Conditions[i]
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			c.Status, c.LastTransitionTime = corev1.ConditionFalse, apiTime(w.line.now)
			w.store(&marked, watch.Modified)
			return
		}
	}
}

// RestoreNode brings a lost node back. Its kubelet catches up with the API and reports what happened meanwhile.
func (w *World) RestoreNode(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.node(name)
	if n == nil || !n.lost {
		return
	}
	n.lost = false
	known := w.workers
	w.workers = map[types.UID]*worker{}
	for _, pod := range sortedPods(w.pods) {
		if worker := known[pod.UID]; worker != nil {
			w.workers[pod.UID] = worker
		}
		if pod.Spec.NodeName == name {
			w.reconnect(pod)
		}
	}
	for uid, worker := range known {
		if w.workers[uid] == nil {
			worker.leaves()
		}
	}
}

// reconnect lets a kubelet see a pod again, and send what it could not.
func (w *World) reconnect(pod *corev1.Pod) {
	w.tell(pod)
	if worker := w.workers[pod.UID]; worker != nil {
		worker.reconnected()
	}
}

// EvictPod has the kubelet evict a pod for want of memory: its containers are killed, and it stays as Failed with reason
// Evicted until somebody deletes it. A pod that no kubelet knows yet is left alone.
func (w *World) EvictPod(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if pod := w.pods[name]; pod != nil && w.workers[pod.UID] != nil {
		w.workers[pod.UID].evict("The node was low on resource: memory.")
	}
}

// EditPod changes a pod by hand, under the same rules as a patch of it.
func (w *World) EditPod(name string, edit func(*corev1.Pod)) (*corev1.Pod, error) {
	return w.call("update", name, func() (*corev1.Pod, error) {
		old, err := w.get(name)
		if err != nil {
			return nil, err
		}
		next := old.DeepCopy()
		edit(next)
		if err := prepareForUpdate(next, old, ""); err != nil {
			return nil, err
		}
		return w.replace(next, old), nil
	})
}

// Nodes returns the nodes with their Ready condition, which turns Unknown at once when a node is lost.
func (w *World) Nodes() []*corev1.Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var nodes []*corev1.Node
	for _, n := range w.nodes {
		ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue}
		if n.lost {
			ready.Status = corev1.ConditionUnknown
		}
		nodes = append(nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{ready}},
		})
	}
	return nodes
}

func (w *World) node(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}
