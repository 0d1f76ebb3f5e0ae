package kubelet

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
)

// Endpoint is one entry of the Service's EndpointSlice.
type Endpoint struct {
	// Pod and UID name the pod that the entry points to.
	Pod string
	UID types.UID
	// Ready, Serving and Terminating are the conditions of the entry.
	Ready, Serving, Terminating bool
}

// endpointView is the EndpointSlice, which follows the pods, and the service proxies, which follow the slice.
type endpointView struct {
	slice   map[types.UID]Endpoint
	proxy   map[types.UID]Endpoint
	pending map[types.UID]bool
}

func newEndpointView() *endpointView {
	return &endpointView{slice: map[types.UID]Endpoint{}, proxy: map[types.UID]Endpoint{}, pending: map[types.UID]bool{}}
}

// ServingEndpoints returns the pods whose endpoint in the slice is serving.
func (w *World) ServingEndpoints() sets.Set[types.UID] {
	w.mu.Lock()
	defer w.mu.Unlock()
	serving := sets.New[types.UID]()
	for uid, e := range w.endpoints.slice {
		if e.Serving {
			serving.Insert(uid)
		}
	}
	return serving
}

// ProxyEndpoints returns the pods to which the service proxies may send new connections: the ready ones or, when there
// is none, those that are terminating and still serve.
func (w *World) ProxyEndpoints() sets.Set[types.UID] {
	w.mu.Lock()
	defer w.mu.Unlock()
	ready, fallback := sets.New[types.UID](), sets.New[types.UID]()
	for uid, e := range w.endpoints.proxy {
		if e.Ready {
			ready.Insert(uid)
		} else if e.Serving && e.Terminating {
			fallback.Insert(uid)
		}
	}
	if len(ready) == 0 {
		return fallback
	}
	return ready
}

// endpoint returns the entry that a pod should have; false means none.
func (w *World) endpoint(pod *corev1.Pod) (Endpoint, bool) {
	ended := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	if w.opts.Selector == nil || ended || pod.Status.PodIP == "" || !w.opts.Selector.Matches(labels.Set(pod.Labels)) {
		return Endpoint{}, false
	}
	serving := conditionStatus(pod.Status.Conditions, corev1.PodReady) == corev1.ConditionTrue
	terminating := pod.DeletionTimestamp != nil
	return Endpoint{
		Pod: pod.Name, UID: pod.UID, Serving: serving, Terminating: terminating,
		Ready: w.opts.PublishNotReadyAddresses || serving && !terminating,
	}, true
}

// followEndpoint has the slice brought up to date after a change of the pod.
func (w *World) followEndpoint(pod *corev1.Pod) {
	if w.opts.Selector == nil || w.endpoints.pending[pod.UID] {
		return
	}
	w.endpoints.pending[pod.UID] = true
	name, uid := pod.Name, pod.UID
	w.after(w.opts.Timing.Endpoint, func() {
		delete(w.endpoints.pending, uid)
		w.updateSlice(name, uid)
	})
}

func (w *World) updateSlice(name string, uid types.UID) {
	var next Endpoint
	var listed bool
	if pod := w.pods[name]; pod != nil && pod.UID == uid {
		next, listed = w.endpoint(pod)
	}
	old, was := w.endpoints.slice[uid]
	switch {
	case listed && next == old, !listed && !was:
		return
	case listed:
		w.endpoints.slice[uid] = next
		w.record(Event{Type: changeOf(was), Endpoint: &next})
	default:
		delete(w.endpoints.slice, uid)
		w.record(Event{Type: watch.Deleted, Endpoint: &old})
	}
	w.after(w.opts.Timing.Proxy, func() { w.updateProxy(uid) })
}

func changeOf(was bool) watch.EventType {
	if was {
		return watch.Modified
	}
	return watch.Added
}

// updateProxy takes over what the slice says by now, as a proxy that syncs everything at once does.
func (w *World) updateProxy(uid types.UID) {
	if e, listed := w.endpoints.slice[uid]; listed {
		w.endpoints.proxy[uid] = e
	} else {
		delete(w.endpoints.proxy, uid)
	}
}
