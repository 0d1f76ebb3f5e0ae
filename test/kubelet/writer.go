package kubelet

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
)

// errand is what is still to be written for one pod.
type errand struct {
	namespace, name string
	status          *corev1.PodStatus
	remove          bool
}

// writer sends statuses and removals, those of one pod one at a time and only the newest. What fails is logged and tried
// again, unless the pod is gone.
type writer struct {
	client  kubernetes.Interface
	queue   workqueue.TypedRateLimitingInterface[types.UID]
	mu      sync.Mutex
	errands map[types.UID]errand
}

func newWriter(client kubernetes.Interface) *writer {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](50*time.Millisecond, 10*time.Second)
	return &writer{client: client, queue: workqueue.NewTypedRateLimitingQueue(limiter), errands: map[types.UID]errand{}}
}

// publish implements statusSink.
func (w *writer) publish(pod *corev1.Pod, status *corev1.PodStatus) {
	w.add(pod, func(e *errand) { e.status = status })
}

// remove implements statusSink.
func (w *writer) remove(pod *corev1.Pod) {
	w.add(pod, func(e *errand) { e.remove = true })
}

func (w *writer) add(pod *corev1.Pod, what func(*errand)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.errands[pod.UID]
	e.namespace, e.name = pod.Namespace, pod.Name
	what(&e)
	w.errands[pod.UID] = e
	w.queue.Add(pod.UID)
}

// take hands out what is to be written for a pod.
func (w *writer) take(uid types.UID) errand {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.errands[uid]
	delete(w.errands, uid)
	return e
}

// putBack keeps what could not be written, unless there is something newer.
func (w *writer) putBack(uid types.UID, failed errand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, newer := w.errands[uid]
	if !newer || e.status == nil {
		e.status = failed.status
	}
	e.namespace, e.name, e.remove = failed.namespace, failed.name, e.remove || failed.remove
	w.errands[uid] = e
}

// run writes until the writer is stopped.
func (w *writer) run(ctx context.Context) {
	for {
		uid, stopped := w.queue.Get()
		if stopped {
			return
		}
		w.write(ctx, uid)
		w.queue.Done(uid)
	}
}

func (w *writer) stop() { w.queue.ShutDown() }

func (w *writer) write(ctx context.Context, uid types.UID) {
	e := w.take(uid)
	err := w.send(ctx, uid, e)
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		w.queue.Forget(uid)
		return
	}
	if ctx.Err() == nil {
		utilruntime.HandleErrorWithContext(ctx, err, "Cannot write the status of a pod", "namespace", e.namespace, "pod", e.name)
	}
	w.putBack(uid, e)
	w.queue.AddRateLimited(uid)
}

// send writes to exactly that pod: another one of its name is a conflict.
func (w *writer) send(ctx context.Context, uid types.UID, e errand) error {
	pods := w.client.CoreV1().Pods(e.namespace)
	if e.status != nil {
		patch, err := statusPatch(uid, e.status)
		if err != nil {
			return err
		}
		_, err = pods.Patch(ctx, e.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err != nil {
			return err
		}
	}
	if !e.remove {
		return nil
	}
	return pods.Delete(ctx, e.name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(uid)),
	})
}

// patchedStatus is a PodStatus whose conditions are merged with those of others.
type patchedStatus struct {
	corev1.PodStatus `json:",inline"`
	Conditions       []patchedCondition `json:"conditions"`
}

// patchedCondition always has a reason and a message, so that empty ones replace what was there.
type patchedCondition struct {
	Type               corev1.PodConditionType `json:"type"`
	Status             corev1.ConditionStatus  `json:"status"`
	ObservedGeneration int64                   `json:"observedGeneration,omitempty"`
	LastTransitionTime metav1.Time             `json:"lastTransitionTime"`
	Reason             string                  `json:"reason"`
	Message            string                  `json:"message"`
	// Directive is that of the merge: "delete" takes the condition away.
	Directive string `json:"$patch,omitempty"`
}

// statusPatch returns a strategic merge patch that replaces what a kubelet owns and keeps everything else.
func statusPatch(uid types.UID, status *corev1.PodStatus) ([]byte, error) {
	patched := patchedStatus{PodStatus: *status}
	for _, c := range status.Conditions {
		patched.Conditions = append(patched.Conditions, patchedCondition{
			Type: c.Type, Status: c.Status, ObservedGeneration: c.ObservedGeneration,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodResizePending, corev1.PodResizeInProgress} {
		if conditionStatus(status.Conditions, kind) == "" {
			patched.Conditions = append(patched.Conditions, patchedCondition{Type: kind, Directive: "delete"})
		}
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": patched})
}
