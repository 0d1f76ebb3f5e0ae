package kubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

var podResource = schema.GroupResource{Resource: "pods"}

// Create adds a copy of the pod, with the defaults of an API server, a UID and generation 1; the scheduler binds it a
// little later. Errors are those of an API server: AlreadyExists, Invalid, or an injected one.
func (w *World) Create(pod *corev1.Pod) (*corev1.Pod, error) {
	return w.call("create", pod.Name, func() (*corev1.Pod, error) {
		if pod.Name == "" || len(pod.Spec.Containers) == 0 {
			return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, pod.Name, nil)
		}
		if w.pods[pod.Name] != nil {
			return nil, apierrors.NewAlreadyExists(podResource, pod.Name)
		}
		created := pod.DeepCopy()
		w.uids++
		created.UID = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", w.uids))
		created.CreationTimestamp = apiTime(w.line.now)
		prepareForCreate(created)
		w.store(created, watch.Added)
		if created.Spec.NodeName == "" {
			name, uid := created.Name, created.UID
			w.after(w.opts.Timing.Schedule, func() { w.schedule(name, uid) })
		}
		return created, nil
	})
}

// prepareForCreate resets what a client cannot set and fills in the defaults that a kubelet depends on.
func prepareForCreate(pod *corev1.Pod) {
	pod.Generation, pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = 1, nil, nil
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	if pod.Spec.RestartPolicy == "" {
		pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
		pod.Spec.TerminationGracePeriodSeconds = &seconds
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			defaultPullPolicy(&containers[i])
			defaultRequests(&containers[i])
		}
	}
	pod.Status.QOSClass = qosOf(&pod.Spec)
}

func defaultPullPolicy(c *corev1.Container) {
	if c.ImagePullPolicy != "" {
		return
	}
	c.ImagePullPolicy = corev1.PullIfNotPresent
	if ref := normalized(c.Image); ref == repository(ref)+":latest" {
		c.ImagePullPolicy = corev1.PullAlways
	}
}

// Delete ends a pod gracefully, or at once if it is not bound, has ended, or the grace period is 0. It returns the pod
// as it was left, or as it was removed. Errors: NotFound, Conflict if a precondition fails, or an injected one.
func (w *World) Delete(name string, opts metav1.DeleteOptions) (*corev1.Pod, error) {
	return w.call("delete", name, func() (*corev1.Pod, error) {
		pod, err := w.get(name)
		if err != nil {
			return nil, err
		}
		if p := opts.Preconditions; p != nil {
			if p.UID != nil && *p.UID != pod.UID {
				return nil, conflict(name, "the UID in the precondition (%s) does not match the UID in record (%s)", *p.UID, pod.UID)
			}
			if p.ResourceVersion != nil && *p.ResourceVersion != pod.ResourceVersion {
				return nil, conflict(name, "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s)",
					*p.ResourceVersion, pod.ResourceVersion)
			}
		}
		return w.deleted(pod, deleteGrace(pod, opts.GracePeriodSeconds)), nil
	})
}

// deleteGrace returns the seconds that a pod is given.
func deleteGrace(pod *corev1.Pod, asked *int64) int64 {
	ended := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	switch {
	case pod.Spec.NodeName == "" || ended:
		return 0
	case asked != nil:
		return max(*asked, 0)
	}
	return *pod.Spec.TerminationGracePeriodSeconds
}

// deleted marks a pod for deletion. Once it is marked, a later call can only shorten the grace period.
func (w *World) deleted(pod *corev1.Pod, seconds int64) *corev1.Pod {
	if pod.DeletionTimestamp != nil && *pod.DeletionGracePeriodSeconds <= seconds && seconds > 0 {
		return pod
	}
	marked := *pod
	at := apiTime(w.line.now.Add(time.Duration(seconds) * time.Second))
	marked.DeletionTimestamp, marked.DeletionGracePeriodSeconds = &at, &seconds
	if pod.DeletionTimestamp == nil {
		marked.Generation++
	}
	if seconds > 0 || len(marked.Finalizers) > 0 {
		w.store(&marked, watch.Modified)
		return &marked
	}
	w.drop(&marked)
	return &marked
}

func (w *World) get(name string) (*corev1.Pod, error) {
	if pod := w.pods[name]; pod != nil {
		return pod, nil
	}
	return nil, apierrors.NewNotFound(podResource, name)
}

func conflict(name, format string, args ...any) error {
	return apierrors.NewConflict(podResource, name, fmt.Errorf(format, args...))
}

// call runs one API call with the faults that are injected into it.
func (w *World) call(verb, name string, effect func() (*corev1.Pod, error)) (*corev1.Pod, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var before, after error
	if w.faults != nil {
		before, after = w.faults(verb, name)
	}
	if before != nil {
		return nil, before
	}
	pod, err := effect()
	if err == nil && after != nil {
		return nil, after
	}
	return pod, err
}
