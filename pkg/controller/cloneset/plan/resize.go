package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// ResizeRefusal is what the API server said when it would not have a pod resized.
type ResizeRefusal struct {
	// Revision is the one whose resources were asked for.
	Revision string
	// Message is what it said.
	Message string
	// Final tells that it has nothing to do with who asks, or with how much others have: it will say so again.
	Final bool
}

// Compare returns what brings a pod of a CloneSet from one template to another.
func Compare(set *appsv1beta1.CloneSet, old, new *corev1.PodTemplateSpec) inplace.Change {
	change := inplace.Compare(old, new)
	if set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Resources == appsv1beta1.RecreateForResources {
		change.Forgo(" is not changed in place, since inPlaceUpdateStrategy.resources is Recreate")
	}
	return change
}

// learn takes in why the API server would not have a pod resized.
func (m *member) learn(in *Input) {
	refusal := in.ResizeRefusals[m.pod.UID]
	if refusal.Revision != m.revision || m.progress.Resize.Phase != inplace.ResizeToAsk {
		return
	}
	if m.refusal = refusal.Message; refusal.Final {
		m.progress.Refused(refusal.Message)
	}
}

// owe takes in that a pod is in service, or was just taken out of it, and is still to be asked for resources that containers are
// restarted for. Those that need no drain are restarted in service; a pod with others got its node while it was promised them, and
// runs by now, or its gate was turned on. Until it is its turn it serves as before.
func (m *member) owe(in *Input) {
	if m.progress.Resize.Phase != inplace.ResizeToAsk || !m.progress.Resize.Restarts || inplace.NeverRan(m.pod) {
		return
	}
	change := &inplace.Change{Resizes: inplace.RestartsToAsk(m.pod)}
	names := inplace.Restarting(change, &inplace.Progress{})
	drains := m.progress.Phase == inplace.PhaseDraining && inplace.NeedsDrain(names, rulesOf(in.Set))
	if len(names) > 0 && (m.progress.InService || drains) {
		m.owed = change
		m.progress.Postponed()
	}
}

// countResize counts an updated pod that does not have its resources yet. One that waits for room on its node is not counted:
// it serves as before, and for how long it waits nobody knows.
func (v *view) countResize(m *member) {
	switch resize := &m.progress.Resize; {
	case resize.Phase == inplace.ResizeInfeasible || (m.refusal != "" && resize.IsOpen()):
		v.unresized++
	case resize.IsMoving() && m.available && m.owed == nil: // What waits for its turn leaves it to others.
		v.resizing++
	}
}

// tellUnresizable finds the updated pods that never get their resources where they are: they are replaced, as if the user had
// asked for it, unless the policy forbids that. One that was drained for a restart is not left out of service until its node
// has room.
func (p *planner) tellUnresizable() {
	if !updates(p.in.Set) || p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy {
		return
	}
	for _, m := range p.view.updated {
		resize := &m.progress.Resize
		stuck := resize.Phase == inplace.ResizeDeferred && m.isRestarting() && !m.progress.InService
		if !m.specified && (stuck || resize.Phase == inplace.ResizeInfeasible) {
			m.specified, m.unresizable = true, "it cannot get the resources of revision "+m.revision+" in place: "+resize.Message
			p.note(m.pod, appsv1beta1.NoteRecreate, m.unresizable)
		}
	}
}

// resize begins an update that changes resources and restarts nothing: the pod stays in service. As many are on their way at
// a time as may be out of service, or surge: nobody knows how they do with what they get. Those that do not get it are among
// them, so that what no node has is tried on no more pods. A pod that is down has nothing to lose.
func (p *planner) resize(m *member, change *inplace.Change) bool {
	room := p.slots + p.limits.maxSurge - p.counts.surge - p.view.unresized
	if m.progress.Phase == inplace.PhaseNew || !isManaged(m.pod) || p.overtakes(m) || (room <= 0 && m.available) {
		return false
	}
	p.slots--
	p.patch(m, p.in.Revisions.Update, change, "")
	return true
}

// askForResize asks for the resources that a pod was promised, or has it drained for that, and tells whether it does.
func (p *planner) askForResize(m *member) bool {
	switch {
	case m.progress.Resize.Phase != inplace.ResizeToAsk || m.preparing() || !isManaged(m.pod):
		return false
	case m.owed != nil:
		return p.restartToResize(m)
	}
	p.resizeNow(m)
	return true
}

func (p *planner) resizeNow(m *member) {
	p.do(Action{
		Kind: Resize, Verb: VerbPatchResize, Pod: m.pod, Patch: inplace.ResizePatch(m.pod),
		Why: strings.Join(inplace.Asks(m.pod), ", ") + " of revision " + m.revision,
	})
}

// restartToResize asks a pod for what it is owed, or takes it out of service for that as for an update, where this is needed. Once
// it is drained it is promised that once more: the patch tells that it was drained for it. It tells whether the pod is on its way.
// One that an update comes for is left to that.
func (p *planner) restartToResize(m *member) bool {
	free := p.needsNoDrain(m, m.owed)
	if !p.isItsTurn(m, free) {
		return false
	}
	if m.available {
		p.slots--
	}
	p.afford(m)
	switch {
	case !free:
		p.step(m, p.revisionAt(m), m.owed)
	case p.mayLeave(m):
		p.resizeNow(m)
	}
	if !m.old {
		p.yieldSlot(m)
	}
	return true
}

// isItsTurn tells whether containers of a pod may be restarted now for what it is owed: in service, where they are free to be.
func (p *planner) isItsTurn(m *member, free bool) bool {
	if m.chosen || p.revisionAt(m).Template == nil || (!free && !p.updates()) {
		return false
	}
	hasRoom := !m.available || (p.slots > 0 && p.budget > 0)
	return hasRoom && p.sparable(m) && (m.begun() || !p.isHeld(m))
}

// endResize takes the record of resources off a pod that has them, and tells whether it does: with the write that brings the
// pod back into service, if there is one. Nothing else is written to the pod in the same pass; it would make that conflict.
func (p *planner) endResize(m *member) bool {
	if m.progress.Resize.Phase != inplace.ResizeDone || !isManaged(m.pod) {
		return false
	}
	switch m.progress.Phase {
	case inplace.PhaseInService:
		p.do(Action{
			Kind: EndResize, Verb: VerbPatch, Pod: m.pod, Patch: p.endOfResize(m),
			Why: "it has the resources of revision " + m.revision,
		})
	case inplace.PhaseRestarted:
		p.confirm(m)
	case inplace.PhaseDraining:
		p.gateOn(m, Restore, "it is not to be updated now")
	default:
		return false
	}
	return true
}

// endOfResize returns the patch that ends a resize in service. It tells of the containers that were restarted for it, unless that
// was told with the end of a restart for images.
func (p *planner) endOfResize(m *member) []byte {
	patch := inplace.ConfirmPatch(m.pod)
	if last := inplace.ReadLastUpdate(m.pod); !inplace.IsRestartedInPlace(m.pod) || (last != nil && last.Revision == m.revision) {
		return patch
	}
	return inplace.WithLastUpdate(patch, m.pod, p.in.Times[m.pod.UID])
}

// noteResizes tells of the pods that do not get their resources, and why.
func (p *planner) noteResizes() {
	for m := range p.all() {
		resize := &m.progress.Resize
		switch {
		case resize.Phase == inplace.ResizeDeferred:
			p.note(m.pod, appsv1beta1.NoteResizeDeferred, "waits for room on its node: "+resize.Message)
		case resize.Phase == inplace.ResizeFailed:
			p.note(m.pod, appsv1beta1.NoteResizeFailed, "waits for the kubelet, which could not change its resources: "+resize.Message)
		case resize.Phase == inplace.ResizeToAsk && m.refusal != "":
			p.note(m.pod, appsv1beta1.NoteResizeRefused, "waits for the API server, which refuses its resources: "+m.refusal)
		case resize.Phase == inplace.ResizeInfeasible && m.unresizable == "" && !m.old:
			why := "it cannot get its resources in place: " + resize.Message
			p.note(m.pod, appsv1beta1.NoteInPlaceImpossible, why)
			if p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy {
				p.blocked = "pod " + m.pod.Name + ": " + why
			}
		}
	}
}

// isOfResize tells whether a note tells of resources that a pod waits for.
func isOfResize(note appsv1beta1.PodNote) bool {
	switch note.Reason {
	case appsv1beta1.NoteResizeDeferred, appsv1beta1.NoteResizeFailed, appsv1beta1.NoteResizeRefused:
		return true
	}
	return false
}

// awaitedResizes tells which pods wait for resources.
func (p *planner) awaitedResizes() string {
	var texts []string
	for _, note := range p.notes {
		if isOfResize(note) {
			texts = append(texts, fmt.Sprintf("%s %s", note.Name, note.Message))
		}
	}
	return strings.Join(texts, "; ")
}

// onlyResizes tells whether nothing but resources is left to be waited for.
func (p *planner) onlyResizes() bool {
	waiting := 0
	for _, m := range p.view.updated {
		switch {
		case !m.available:
			return false
		case m.isUpdated():
		case m.progress.Resize.IsMoving() && m.refusal == "":
			return false
		default:
			waiting++
		}
	}
	return waiting > 0 && p.quota() <= 0
}

// afterResizes returns when the rollout moved last. Nothing tells when a pod got its resources; that it did is seen before it
// is taken note of on the pod, and once.
func (p *planner) afterResizes(last metav1.Time) metav1.Time {
	for m := range p.all() {
		if m.progress.Resize.Phase == inplace.ResizeDone {
			return metav1.NewTime(p.in.Now.Truncate(time.Second))
		}
	}
	return last
}

// validateResources takes an empty value for the default.
func validateResources(update appsv1beta1.ResourcesUpdate, path *field.Path) field.ErrorList {
	known := []appsv1beta1.ResourcesUpdate{appsv1beta1.ResizeForResources, appsv1beta1.RecreateForResources}
	if update != "" && !slices.Contains(known, update) {
		return field.ErrorList{field.NotSupported(path, update, known)}
	}
	return nil
}
