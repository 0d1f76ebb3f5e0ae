package kubelet

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// resizable are the resources that can be changed in a pod.
func resizable() []corev1.ResourceName {
	return []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
}

// pendingResize is why a pod does not get what its spec asks for.
type pendingResize struct {
	reason, message string
	generation      int64
}

// admit gives the containers what they ask for when the kubelet first sees the pod. The scheduler saw to it that there is
// room.
func (w *worker) admit(pod *corev1.Pod) {
	for _, c := range w.containers {
		c.allocated = *c.spec(pod).Resources.DeepCopy()
		if c.current != nil && c.current.resources != nil {
			c.allocated = *c.current.resources.DeepCopy()
		}
	}
	w.node.workers = append(w.node.workers, w)
	w.allocate()
}

// allocate decides whether the pod gets what its newest spec asks for: at once, when there is room for it on the node, or
// never. A kubelet does so as soon as it sees the spec, whatever its worker is at.
func (w *worker) allocate() {
	if !w.isToResize() {
		w.pending = nil
		return
	}
	shrinks := false
	for _, name := range resizable() {
		wanted, had := w.asks(name), w.has(name)
		shrinks = shrinks || wanted.Cmp(had) < 0
		if wanted.Cmp(had) > 0 && !w.hasRoom(name, wanted) {
			return
		}
	}
	w.pending = nil
	for _, c := range w.containers {
		if !c.init || c.sidecar {
			c.allocated = *c.spec(w.pod).Resources.DeepCopy()
		}
	}
	if shrinks {
		w.node.retryResizes()
	}
}

// isToResize tells whether the pod asks for something else than it was given.
func (w *worker) isToResize() bool {
	return !w.terminating && !w.finished && slices.ContainsFunc(w.containers, func(c *container) bool { return c.differs(w.pod) })
}

// hasRoom tells whether the node can give the pod what it asks for, and takes note of why not.
func (w *worker) hasRoom(name corev1.ResourceName, wanted resource.Quantity) bool {
	limit, limited := w.opts.Allocatable[name]
	used := w.node.used(name, w)
	total := sum(wanted, used)
	switch {
	case !limited || total.Cmp(limit) <= 0:
		return true
	case wanted.Cmp(limit) > 0:
		w.postpone(corev1.PodReasonInfeasible, fmt.Sprintf("Node didn't have enough capacity: %s, requested: %s, capacity: %s",
			name, &wanted, &limit))
	default:
		w.postpone(corev1.PodReasonDeferred, fmt.Sprintf("Node didn't have enough resource: %s, requested: %s, used: %s, capacity: %s",
			name, &wanted, &used, &limit))
	}
	return false
}

// postpone keeps the first generation of a reason.
func (w *worker) postpone(reason, message string) {
	if w.pending == nil || w.pending.reason != reason || w.pending.message != message {
		w.pending = &pendingResize{reason, message, w.pod.Generation}
	}
}

// leaves takes the pod off the node, whose other pods may get what they wait for.
func (w *worker) leaves() {
	w.gone = true
	w.node.workers = slices.DeleteFunc(w.node.workers, func(other *worker) bool { return other == w })
	w.node.retryResizes()
}

// retryResizes looks again at the pods that wait for room.
func (n *node) retryResizes() {
	for _, w := range slices.Clone(n.workers) {
		if w.pending == nil || w.gone || n.lost {
			continue
		}
		before := w.pending
		if w.allocate(); w.pending != before {
			w.requestSync()
		}
	}
}

// MakeRoom gives every node as much as its pods may ask for, whatever that is.
func (w *World) MakeRoom() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opts.Allocatable = nil
	for _, n := range w.nodes {
		n.retryResizes()
	}
}

// used returns what the other pods of a node were given.
func (n *node) used(name corev1.ResourceName, but *worker) resource.Quantity {
	var total resource.Quantity
	for _, w := range n.workers {
		if w != but && !w.finished {
			total.Add(w.has(name))
		}
	}
	return total
}

func sum(a, b resource.Quantity) resource.Quantity {
	total := a.DeepCopy()
	total.Add(b)
	return total
}

// asks returns what the containers and sidecars ask for, and has what they were given.
func (w *worker) asks(name corev1.ResourceName) resource.Quantity {
	var total resource.Quantity
	for _, c := range w.containers {
		if !c.init || c.sidecar {
			total.Add(c.spec(w.pod).Resources.Requests[name])
		}
	}
	return total
}

func (w *worker) has(name corev1.ResourceName) resource.Quantity {
	var total resource.Quantity
	for _, c := range w.containers {
		if !c.init || c.sidecar {
			total.Add(c.allocated.Requests[name])
		}
	}
	return total
}

// differs tells whether a container asks for something else than it was given.
func (c *container) differs(pod *corev1.Pod) bool {
	return (!c.init || c.sidecar) && !sameResources(&c.spec(pod).Resources, &c.allocated)
}

func sameResources(a, b *corev1.ResourceRequirements) bool {
	return apiequality.Semantic.DeepEqual(a.Requests, b.Requests) && apiequality.Semantic.DeepEqual(a.Limits, b.Limits)
}

// isResizing tells whether a container runs with something else than it was given.
func (c *container) isResizing() bool {
	return c.running() && (!c.init || c.sidecar) && !sameResources(c.current.resources, &c.allocated)
}

// restartsToResize tells whether a container is restarted to get what it was given.
func (c *container) restartsToResize(pod *corev1.Pod) bool {
	if !c.isResizing() {
		return false
	}
	return slices.ContainsFunc(c.spec(pod).ResizePolicy, func(p corev1.ContainerResizePolicy) bool {
		return p.RestartPolicy == corev1.RestartContainer &&
			(!equalIn(c.current.resources.Requests, c.allocated.Requests, p.ResourceName) ||
				!equalIn(c.current.resources.Limits, c.allocated.Limits, p.ResourceName))
	})
}

func equalIn(a, b corev1.ResourceList, name corev1.ResourceName) bool {
	left, right := a[name], b[name]
	return left.Cmp(right) == 0
}

// resize gives the running containers what they were given, without a restart.
func (w *worker) resize() step {
	return step{
		begin: func() time.Duration { return w.opts.Timing.Resize },
		end: func() {
			for _, c := range w.containers {
				if c.running() && (!c.init || c.sidecar) && !sameResources(c.current.resources, &c.granted) {
					c.current.resources, w.changed = c.granted.DeepCopy(), true
				}
			}
		},
	}
}

// setResources tells what a container was given, and what it has.
func setResources(status *corev1.ContainerStatus, c *container) {
	status.AllocatedResources = c.allocated.Requests
	status.Resources = c.allocated.DeepCopy()
	if c.running() && c.current.resources != nil {
		status.Resources = c.current.resources.DeepCopy()
	}
}

// setResizeConditions tells how a resize goes. There are such conditions only while one does.
func (w *worker) setResizeConditions(pod *corev1.Pod, status *corev1.PodStatus) {
	generation := w.observed(pod)
	if w.pending != nil {
		setCondition(status, corev1.PodResizePending, w.pending.generation, verdict{reason: w.pending.reason, message: w.pending.message})
		status.Conditions[len(status.Conditions)-1].Status = corev1.ConditionTrue
	}
	if slices.ContainsFunc(w.containers, (*container).isResizing) {
		setCondition(status, corev1.PodResizeInProgress, generation, verdict{ok: true})
	}
}

// prepareForResize takes back what the endpoint does not change, and refuses what cannot be changed in a pod.
func prepareForResize(next, old *corev1.Pod) error {
	wanted := next.Spec.DeepCopy()
	if len(wanted.Containers) != len(old.Spec.Containers) || len(wanted.InitContainers) != len(old.Spec.InitContainers) {
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, old.Name, field.ErrorList{
			field.Forbidden(field.NewPath("spec", "containers"), "containers may not be added or removed on resize"),
		})
	}
	next.Spec, next.Status = *old.Spec.DeepCopy(), old.Status
	next.Labels, next.Annotations, next.Finalizers = old.Labels, old.Annotations, old.Finalizers
	next.OwnerReferences = old.OwnerReferences
	var errs field.ErrorList
	for _, list := range []struct {
		path          *field.Path
		to, from, had []corev1.Container
	}{
		{field.NewPath("spec", "containers"), next.Spec.Containers, wanted.Containers, old.Spec.Containers},
		{field.NewPath("spec", "initContainers"), next.Spec.InitContainers, wanted.InitContainers, old.Spec.InitContainers},
	} {
		for i := range list.to {
			defaultRequests(&list.from[i])
			list.to[i].Resources = list.from[i].Resources
			errs = append(errs, removed(&list.from[i].Resources, &list.had[i].Resources, list.path.Index(i).Child("resources"))...)
		}
	}
	if before, after := qosOf(&old.Spec), qosOf(&next.Spec); before != after {
		errs = append(errs, field.Invalid(field.NewPath("spec"), before, "Pod QOS Class may not change as a result of resizing"))
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, old.Name, errs)
	}
	if !apiequality.Semantic.DeepEqual(next.Spec, old.Spec) {
		next.Generation++
	}
	return nil
}

func removed(next, old *corev1.ResourceRequirements, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name := range old.Requests {
		if _, ok := next.Requests[name]; !ok {
			errs = append(errs, field.Forbidden(path.Child("requests"), "resource requests cannot be removed"))
		}
	}
	for name := range old.Limits {
		if _, ok := next.Limits[name]; !ok {
			errs = append(errs, field.Forbidden(path.Child("limits"), "resource limits cannot be removed"))
		}
	}
	return errs
}

// admitResize refuses what the pod's node can never give, as API servers do from 1.36 on.
func (w *World) admitResize(pod *corev1.Pod) error {
	if w.opts.NoResizeAdmission || pod.Spec.NodeName == "" {
		return nil
	}
	for _, name := range resizable() {
		var asked resource.Quantity
		for i := range pod.Spec.Containers {
			asked.Add(pod.Spec.Containers[i].Resources.Requests[name])
		}
		if limit, limited := w.opts.Allocatable[name]; limited && asked.Cmp(limit) > 0 {
			err := apierrors.NewForbidden(podResource, pod.Name, fmt.Errorf(
				"node didn't have enough allocatable resources: %s, requested: %s, allocatable: %s", name, &asked, &limit))
			err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: "NodeCapacity"})
			return err
		}
	}
	return nil
}

// defaultRequests has a container ask for its limits where it does not say otherwise.
func defaultRequests(c *corev1.Container) {
	for name, quantity := range c.Resources.Limits {
		if _, ok := c.Resources.Requests[name]; !ok {
			if c.Resources.Requests == nil {
				c.Resources.Requests = corev1.ResourceList{}
			}
			c.Resources.Requests[name] = quantity
		}
	}
}

// qosOf returns the class of a pod.
func qosOf(spec *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, some := true, false
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, name := range resizable() {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			some = some || !request.IsZero() || !limit.IsZero()
			guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
		}
	}
	switch {
	case !some:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
