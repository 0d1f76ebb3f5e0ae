package inplace

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// ResizePhase is how far the change of a pod's amounts of cpu and memory is.
type ResizePhase string

const (
	// ResizeNone is a pod whose amounts are not being changed.
	ResizeNone ResizePhase = ""
	// ResizeToAsk is a pod whose new amounts are still to be asked for, by ResizePatch.
	ResizeToAsk ResizePhase = "ToAsk"
	// ResizeInProgress is a pod whose kubelet does not report the new amounts yet.
	ResizeInProgress ResizePhase = "InProgress"
	// ResizeDeferred is a pod whose node has no room for the new amounts now. The kubelet tries again by itself.
	ResizeDeferred ResizePhase = "Deferred"
	// ResizeFailed is a pod whose kubelet could not make the change, and tries again.
	ResizeFailed ResizePhase = "Failed"
	// ResizeInfeasible is a pod that will never get the new amounts where it is.
	ResizeInfeasible ResizePhase = "Infeasible"
	// ResizeDone is a pod whose kubelet reports the new amounts, and whose State does not tell that yet.
	ResizeDone ResizePhase = "Done"
)

// Resizing is how far the change of a pod's amounts is.
type Resizing struct {
	// Phase is how far.
	Phase ResizePhase
	// Message is why it does not go on, in the kubelet's words.
	Message string
	// Restarts tells that a container is restarted for it.
	Restarts bool
	// Holds is the phase that the pod would be in, where it is PhaseRestarting for this change alone.
	Holds Phase
}

// IsOpen tells whether the pod may not have the amounts that it was promised.
func (r *Resizing) IsOpen() bool { return r.Phase != ResizeNone && r.Phase != ResizeDone }

// IsMoving tells whether the change is on its way, so that it is known soon what comes of it.
func (r *Resizing) IsMoving() bool { return r.Phase == ResizeToAsk || r.Phase == ResizeInProgress }

// holds tells whether the pod cannot be said to have restarted yet because of it: out of service it waits for what is on
// its way, and where a container is to be restarted, for that; in service, for a restart that is on its way.
func (r *Resizing) holds(inService bool) bool {
	switch r.Phase {
	case ResizeToAsk, ResizeInProgress:
		return !inService || r.Restarts
	case ResizeDeferred, ResizeFailed:
		return !inService && r.Restarts
	}
	return false
}

// resizingMark is what the annotation of a pod holds whose amounts are being changed.
const resizingMark = `"resizes":`

// IsResizing tells whether what a pod's status says of resources is of use.
func IsResizing(pod *corev1.Pod) bool {
	return strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], resizingMark)
}

// Refused tells that the API server will not have the resize. The pod is not kept out of service for it.
func (p *Progress) Refused(message string) {
	p.Resize.Phase, p.Resize.Message = ResizeInfeasible, message
	p.letGo()
}

// Postponed tells that the resize is not asked for now: it restarts containers of a pod that is in service, or only being drained.
func (p *Progress) Postponed() { p.letGo() }

// hold has a pod whose resize cannot be left out of account be one that is restarting.
func (p *Progress) hold() {
	if p.Phase != PhaseRestarting && p.Resize.holds(p.InService) {
		p.Resize.Holds, p.Phase = p.Phase, PhaseRestarting
	}
}

func (p *Progress) letGo() {
	if p.Resize.Holds != "" {
		p.Phase, p.Resize.Holds = p.Resize.Holds, ""
	}
}

// RestartsToAsk returns those of the amounts that are still to be asked for that a container is restarted for, as a change that
// promises them once more.
func RestartsToAsk(pod *corev1.Pod) []Resize {
	state := trusted(pod)
	if state == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(state.Resizes), func(r Resize) bool { return !r.Restarts || standOf(pod, &r) != toAsk })
}

// nextResizes returns what a patch records of amounts: those of the change, and those of earlier patches that the pod does
// not have yet.
func nextResizes(pod *corev1.Pod, old *State, change []Resize) []Resize {
	var next []Resize
	if old != nil {
		next = slices.DeleteFunc(slices.Clone(old.Resizes), func(o Resize) bool {
			return slices.ContainsFunc(change, func(r Resize) bool { return r.Container == o.Container && r.Amount == o.Amount })
		})
	}
	for _, r := range change {
		c, _ := container(&pod.Spec, r.Container)
		if c == nil {
			continue
		}
		if current, ok := amountOf(&c.Resources, r.Amount); ok {
			r.From = current.String()
		}
		next = append(next, r)
	}
	return next
}

// unlessEmpty returns the state of a pod that never ran, or nil if there is none to be overwritten and nothing to be told.
func (s *State) unlessEmpty(old *State) *State {
	if old == nil && len(s.Resizes) == 0 {
		return nil
	}
	return s
}

// promises adds what the amounts that are still to be asked for make of the pod.
func (s *State) promises(pod *corev1.Pod) {
	s.restarts(pod)
	if mustAsk(pod, s.Resizes) {
		s.Generation = pod.Generation + 1 // That of the resize, if not that of the patch.
	}
}

// restarts records the containers that are restarted for other amounts, so that nobody takes that for a crash. Those whose
// image is changed, too, are recorded already.
func (s *State) restarts(pod *corev1.Pod) {
	for i := range s.Resizes {
		r := &s.Resizes[i]
		status := containerStatus(pod, r.Container)
		if !r.Restarts || status == nil || standOf(pod, r) != toAsk || recorded(s.Records, status.ContainerID) {
			continue
		}
		c, _ := container(&pod.Spec, r.Container)
		s.Records = append(s.Records, Record{
			Name: r.Container, Image: c.Image, ImageID: status.ImageID, ContainerID: status.ContainerID,
			Down: status.State.Running == nil, Done: true,
		})
	}
}

// stand is where one amount of a pod stands.
type stand int

const (
	superseded stand = iota // somebody else has changed it since
	toAsk
	asked
)

// standOf tells where an amount stands in the pod's spec.
func standOf(pod *corev1.Pod, r *Resize) stand {
	c, _ := container(&pod.Spec, r.Container)
	if c == nil {
		return superseded
	}
	switch current, ok := amountOf(&c.Resources, r.Amount); {
	case ok && is(current, r.To):
		return asked
	case (ok && is(current, r.From)) || (!ok && r.From == ""):
		return toAsk
	}
	return superseded
}

// is tells whether an amount is the one that a record names.
func is(current resource.Quantity, text string) bool {
	quantity, err := resource.ParseQuantity(text)
	return err == nil && current.Cmp(quantity) == 0
}

// mustAsk tells whether amounts are still to be asked for.
func mustAsk(pod *corev1.Pod, all []Resize) bool {
	return slices.ContainsFunc(all, func(r Resize) bool { return standOf(pod, &r) == toAsk })
}

// resizingOf returns how far the change of a pod's amounts is.
func resizingOf(pod *corev1.Pod, state *State) Resizing {
	if len(state.Resizes) == 0 {
		return Resizing{}
	}
	r := Resizing{Restarts: slices.ContainsFunc(state.Resizes, func(r Resize) bool { return r.Restarts })}
	r.Phase, r.Message = resizePhase(pod, state.Resizes)
	return r
}

// resizePhase tells how far it is. A status that the kubelet made before it saw the newest spec tells nothing. Before any
// kubelet has the pod there is nothing to wait for: it starts with what it asks for.
func resizePhase(pod *corev1.Pod, all []Resize) (ResizePhase, string) {
	switch observed := pod.Status.ObservedGeneration; {
	case mustAsk(pod, all):
		return ResizeToAsk, ""
	case NeverRan(pod) || !slices.ContainsFunc(all, func(r Resize) bool { return standOf(pod, &r) == asked }):
		return ResizeDone, ""
	case observed != 0 && observed < pod.Generation:
		return ResizeInProgress, ""
	}
	return verdictOf(pod, all)
}

// verdictOf tells how far it is by what the kubelet says, which has seen it.
func verdictOf(pod *corev1.Pod, all []Resize) (ResizePhase, string) {
	if pending := Condition(pod, corev1.PodResizePending); isTrue(pending) {
		if pending.Reason == corev1.PodReasonInfeasible {
			return ResizeInfeasible, pending.Message
		}
		return ResizeDeferred, pending.Message
	}
	if moving := Condition(pod, corev1.PodResizeInProgress); isTrue(moving) {
		if moving.Reason == corev1.PodReasonError {
			return ResizeFailed, moving.Message
		}
		return ResizeInProgress, ""
	}
	for i := range all {
		if standOf(pod, &all[i]) == asked && !isReported(pod, &all[i]) {
			return ResizeInProgress, ""
		}
	}
	return ResizeDone, ""
}

// isReported tells whether the kubelet reports that a container has an amount. Runtimes round: where the status is known to
// be of the newest spec, it is enough that it is not the old amount any more, or that a request is allotted.
func isReported(pod *corev1.Pod, r *Resize) bool {
	status := containerStatus(pod, r.Container)
	if status == nil || status.Resources == nil {
		return false
	}
	reported, ok := amountOf(status.Resources, r.Amount)
	if ok && is(reported, r.To) {
		return true
	}
	if pod.Status.ObservedGeneration == 0 {
		return false
	}
	if limit, name := split(r.Amount); !limit {
		allotted, known := status.AllocatedResources[name]
		return known && is(allotted, r.To)
	}
	return ok && !is(reported, r.From)
}

// ResizePatch returns the strategic merge patch of pods/resize that asks for the amounts that are still to be asked for. It
// is conditioned on the pod's UID and resourceVersion.
func ResizePatch(pod *corev1.Pod) []byte {
	spec := object{}
	if state := trusted(pod); state != nil {
		for _, list := range []struct {
			key        string
			containers []corev1.Container
		}{{"containers", pod.Spec.Containers}, {"initContainers", pod.Spec.InitContainers}} {
			var patches []object
			for i := range list.containers { // In the order of the pod, as the API server wants it.
				if resources := resourcesPatch(pod, state, list.containers[i].Name); len(resources) > 0 {
					patches = append(patches, object{"name": list.containers[i].Name, "resources": resources})
				}
			}
			if len(patches) > 0 {
				spec[list.key] = patches
			}
		}
	}
	return encode(object{"metadata": object{"uid": pod.UID, "resourceVersion": pod.ResourceVersion}, "spec": spec})
}

func resourcesPatch(pod *corev1.Pod, state *State, name string) object {
	resources := object{}
	for i := range state.Resizes {
		r := &state.Resizes[i]
		if r.Container != name || standOf(pod, r) != toAsk {
			continue
		}
		kind, of, _ := strings.Cut(r.Amount, ".")
		list, ok := resources[kind].(object)
		if !ok {
			list = object{}
			resources[kind] = list
		}
		list[of] = r.To
	}
	return resources
}

// Asks returns what ResizePatch asks for, for people.
func Asks(pod *corev1.Pod) []string {
	var texts []string
	if state := trusted(pod); state != nil {
		for i := range state.Resizes {
			if r := &state.Resizes[i]; standOf(pod, r) == toAsk {
				texts = append(texts, r.String())
			}
		}
	}
	return texts
}

// String tells what is changed.
func (r *Resize) String() string { return r.Amount + " of " + r.Container + " to " + r.To }

// settledResizes returns the records of amounts that a patch keeps that ends an update: those that the pod does not have.
func settledResizes(pod *corev1.Pod, state *State) []Resize {
	if phase, _ := resizePhase(pod, state.Resizes); phase == ResizeDone {
		return nil
	}
	return state.Resizes
}

// ended returns the State of a pod whose amounts are as they were promised, without the records of them; nil where there is
// nothing to be taken off it.
func ended(pod *corev1.Pod) *State {
	state := trusted(pod)
	if state == nil || len(state.Resizes) == 0 || len(settledResizes(pod, state)) > 0 {
		return nil
	}
	next := *state
	next.Resizes = nil
	return &next
}
