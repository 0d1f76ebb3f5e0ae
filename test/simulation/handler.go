package simulation

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// handlerDomain begins the labels and finalizers of hooks.
const handlerDomain = "example.com/"

// handling is what the controller of a load balancer does to a pod: it puts a hook on it, or takes it off.
type handling struct {
	put, take *appsv1beta1.LifecycleHook
	// ends tells that the pod terminates, and nothing may hold it up.
	ends bool
}

// handleHooks has whoever handles the hooks see to each pod after a while. Some of the time that is late: it does then what
// was right when it looked.
func (r *run) handleHooks() {
	changed := map[string]types.UID{}
	for _, e := range r.world.Events(uint64(r.handled)) {
		if e.Pod != nil {
			changed[e.Pod.Name] = e.Pod.UID
		}
	}
	r.handled = len(r.world.Events(0))
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		r.attend(name, changed[name])
		r.releases(r.world.Pod(name))
	}
}

// attend has a pod seen to after a while, if it waits for anything.
func (r *run) attend(name string, uid types.UID) {
	pod := r.world.Pod(name)
	if pod == nil || pod.UID != uid || r.handling[uid] {
		return
	}
	todo := r.handlingOf(pod)
	if todo == nil {
		return
	}
	r.handling[uid] = true
	delay, late := time.Duration(r.rng.IntN(3000))*time.Millisecond, r.rng.IntN(10) == 0
	if late {
		delay *= 10
	}
	r.world.After(delay, func() {
		delete(r.handling, uid)
		now := r.world.Pod(name)
		if now == nil || now.UID != uid {
			return
		}
		if !late || now.DeletionTimestamp != nil {
			todo = r.handlingOf(now)
		}
		r.perform(name, todo)
		r.attend(name, uid) // What was done late may not be what the pod waits for now.
	})
}

// handlingOf tells what a pod waits for, or nil.
func (r *run) handlingOf(pod *corev1.Pod) *handling {
	lifecycle := r.set().Spec.Lifecycle
	switch {
	case pod.DeletionTimestamp != nil:
		if slices.ContainsFunc(pod.Finalizers, isHandlers) {
			return &handling{ends: true}
		}
		return nil
	case lifecycle == nil, hasEnded(pod) && stateOf(pod) != appsv1beta1.LifecyclePreparingDelete:
		return nil
	}
	return handlingIn(lifecycle, pod)
}

// handlingIn tells what a pod that is there to stay waits for, or nil.
func handlingIn(lifecycle *appsv1beta1.Lifecycle, pod *corev1.Pod) *handling {
	switch stateOf(pod) {
	case appsv1beta1.LifecyclePreparingNormal:
		return putting(lifecycle.PreNormal, pod)
	case appsv1beta1.LifecycleUpdated:
		return putting(lifecycle.InPlaceUpdate, pod)
	case appsv1beta1.LifecyclePreparingUpdate:
		return taking(lifecycle.InPlaceUpdate, pod)
	case appsv1beta1.LifecyclePreparingDelete:
		return taking(lifecycle.PreDelete, pod)
	case appsv1beta1.LifecycleUpdating:
		return nil
	}
	if todo := putting(lifecycle.InPlaceUpdate, pod); todo != nil {
		return todo
	}
	return putting(lifecycle.PreDelete, pod)
}

func putting(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) *handling {
	if hasAll(hook, pod) {
		return nil
	}
	return &handling{put: hook}
}

func taking(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) *handling {
	if !hasAny(hook, pod) {
		return nil
	}
	return &handling{take: hook}
}

func isHandlers(finalizer string) bool { return strings.HasPrefix(finalizer, handlerDomain) }

// perform does to a pod what its hook asks for.
func (r *run) perform(name string, todo *handling) {
	if todo == nil {
		return
	}
	_, err := r.world.EditPod(name, func(pod *corev1.Pod) {
		switch {
		case todo.ends:
			pod.Finalizers = slices.DeleteFunc(pod.Finalizers, isHandlers)
		case todo.put != nil:
			maps.Copy(pod.Labels, todo.put.LabelsHandler)
			for _, finalizer := range todo.put.FinalizersHandler {
				if !slices.Contains(pod.Finalizers, finalizer) {
					pod.Finalizers = append(pod.Finalizers, finalizer)
				}
			}
		case todo.take != nil:
			maps.DeleteFunc(pod.Labels, func(key, _ string) bool { _, ok := todo.take.LabelsHandler[key]; return ok })
			pod.Finalizers = slices.DeleteFunc(pod.Finalizers, func(f string) bool {
				return slices.Contains(todo.take.FinalizersHandler, f)
			})
		}
	})
	if err == nil {
		r.note("the hook of %s is handled: put %v, take %v", name, todo.put, todo.take)
	}
}
