package plan

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// stateOf returns what a pod waits for. Without hooks nothing is waited for, whatever label is left on the pod; nor is
// anything by a state that there is none of, which nobody would end.
func stateOf(set *appsv1beta1.CloneSet, pod *corev1.Pod) appsv1beta1.LifecycleState {
	if set.Spec.Lifecycle == nil {
		return ""
	}
	switch state := appsv1beta1.LifecycleState(pod.Labels[appsv1beta1.LifecycleStateLabel]); state {
	case appsv1beta1.LifecyclePreparingNormal, appsv1beta1.LifecycleNormal, appsv1beta1.LifecyclePreparingUpdate,
		appsv1beta1.LifecycleUpdating, appsv1beta1.LifecycleUpdated, appsv1beta1.LifecyclePreparingDelete:
		return state
	}
	return ""
}

// hooks returns the hooks, all of them nil where there are none.
func (p *planner) hooks() appsv1beta1.Lifecycle {
	if p.in.Set.Spec.Lifecycle == nil {
		return appsv1beta1.Lifecycle{}
	}
	return *p.in.Set.Spec.Lifecycle
}

// holds tells whether anything of a hook is on a pod.
func holds(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) bool {
	if hook == nil {
		return false
	}
	some, _ := present(hook, pod)
	return some
}

// isWhole tells whether all of a hook is on a pod, or there is no hook.
func isWhole(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) bool {
	if hook == nil {
		return true
	}
	_, all := present(hook, pod)
	return all
}

func present(hook *appsv1beta1.LifecycleHook, pod *corev1.Pod) (some, all bool) {
	all = true
	for key, value := range hook.LabelsHandler {
		found, here := pod.Labels[key]
		here = here && found == value
		some, all = some || here, all && here
	}
	for _, finalizer := range hook.FinalizersHandler {
		here := slices.Contains(pod.Finalizers, finalizer)
		some, all = some || here, all && here
	}
	return some, all
}

// awaitsDelete tells whether the preDelete hook has to be taken off a pod before it is deleted.
func (p *planner) awaitsDelete(m *member) bool { return holds(p.hooks().PreDelete, m.pod) }

// prepareDelete tells whoever handles the preDelete hook that the pod is to be deleted.
func (p *planner) prepareDelete(m *member, why string) {
	if !m.preparing() {
		p.setState(m.pod, PrepareDelete, appsv1beta1.LifecyclePreparingDelete, nil, why)
	}
	p.note(m.pod, appsv1beta1.NoteAwaitingHook, "waits for its preDelete hook to be taken off")
	if p.hooks().PreDelete.MarkPodNotReady && m.progress.InService {
		p.takeDown(m, "while it waits for its preDelete hook")
	}
}

// announceDeletions tells whoever handles the finalizers of the preDelete hook of pods that somebody else has deleted.
func (p *planner) announceDeletions() {
	hook := p.hooks().PreDelete
	if hook == nil || len(hook.FinalizersHandler) == 0 {
		return
	}
	for _, pod := range p.view.terminating {
		if stateOf(p.in.Set, pod) != appsv1beta1.LifecyclePreparingDelete &&
			holds(&appsv1beta1.LifecycleHook{FinalizersHandler: hook.FinalizersHandler}, pod) {
			p.setState(pod, PrepareDelete, appsv1beta1.LifecyclePreparingDelete, nil, "somebody has deleted it")
		}
	}
}

// awaitsUpdate tells whether the inPlaceUpdate hook has to be taken off a pod before it is updated. A pod that waits for
// its hook to be back gets it back first: whoever handles the hook may be about to put it on. One that was patched already, out of
// service, has waited for it. The state must tell that, too: a process that had lost its lease may have turned the gate off late, with
// the pod in mind that it was before the patch, and people may have written that there was one.
func (p *planner) awaitsUpdate(m *member) bool {
	patched := !m.progress.InService && m.progress.Phase != inplace.PhaseDraining
	if patched && m.state == appsv1beta1.LifecycleUpdating {
		return false
	}
	return holds(p.hooks().InPlaceUpdate, m.pod) ||
		p.hooks().InPlaceUpdate != nil && m.state == appsv1beta1.LifecycleUpdated
}

// prepareUpdate tells whoever handles the inPlaceUpdate hook that the pod is to be updated.
func (p *planner) prepareUpdate(m *member) {
	hook := p.hooks().InPlaceUpdate
	if m.state != appsv1beta1.LifecyclePreparingUpdate {
		var back *appsv1beta1.LifecycleHook
		if m.state == appsv1beta1.LifecycleUpdated {
			back = hook
		}
		p.setState(m.pod, PrepareUpdate, appsv1beta1.LifecyclePreparingUpdate, back,
			"for the update to "+p.in.Revisions.Update.Name)
	}
	p.note(m.pod, appsv1beta1.NoteAwaitingHook, "waits for its inPlaceUpdate hook to be taken off")
	if hook.MarkPodNotReady && m.progress.InService {
		p.takeDown(m, "while it waits for its inPlaceUpdate hook")
	}
}

// settleState brings the state of a pod that is not to be updated or deleted now to where it belongs.
func (p *planner) settleState(m *member) {
	if p.in.Set.Spec.Lifecycle == nil {
		p.endWaiting(m)
		return
	}
	next, hooks := m.state, p.hooks()
	switch m.state {
	case appsv1beta1.LifecyclePreparingNormal:
		next = unlessWhole(hooks.PreNormal, m, appsv1beta1.LifecyclePreparingNormal)
	case appsv1beta1.LifecyclePreparingDelete:
		next = unlessWhole(hooks.PreNormal, m, appsv1beta1.LifecyclePreparingNormal)
	case appsv1beta1.LifecyclePreparingUpdate, appsv1beta1.LifecycleUpdated:
		next = unlessWhole(hooks.InPlaceUpdate, m, appsv1beta1.LifecycleUpdated)
	case appsv1beta1.LifecycleUpdating:
		if m.progress.Phase != inplace.PhaseRestarting {
			next = unlessWhole(hooks.InPlaceUpdate, m, appsv1beta1.LifecycleUpdated)
		}
	}
	if next != m.state {
		p.setState(m.pod, SetState, next, nil, "from "+string(m.state))
	}
	switch next {
	case appsv1beta1.LifecyclePreparingNormal:
		p.note(m.pod, appsv1beta1.NoteAwaitingHook, "waits for its preNormal hook")
	case appsv1beta1.LifecycleUpdated:
		p.note(m.pod, appsv1beta1.NoteAwaitingHook, "waits for its inPlaceUpdate hook to be back")
	}
}

// endWaiting tells whoever follows the states that a pod waits for nothing, now that there are no hooks.
func (p *planner) endWaiting(m *member) {
	said, ok := m.pod.Labels[appsv1beta1.LifecycleStateLabel]
	if ok && said != string(appsv1beta1.LifecycleNormal) {
		p.setState(m.pod, SetState, appsv1beta1.LifecycleNormal, nil, "there are no hooks any more")
	}
}

// unlessWhole returns the state of a pod that waits for a hook, or Normal if the hook is on it.
func unlessWhole(
	hook *appsv1beta1.LifecycleHook, m *member, waiting appsv1beta1.LifecycleState,
) appsv1beta1.LifecycleState {
	if isWhole(hook, m.pod) {
		return appsv1beta1.LifecycleNormal
	}
	return waiting
}

// setState sets the state of a pod, and puts a hook on it, if one is given.
func (p *planner) setState(
	pod *corev1.Pod, kind Kind, state appsv1beta1.LifecycleState, hook *appsv1beta1.LifecycleHook, why string,
) {
	p.do(Action{
		Kind: kind, Verb: VerbPatch, Pod: pod, Patch: statePatch(pod, state, hook),
		Why: string(state) + ": " + why,
	})
}

func statePatch(pod *corev1.Pod, state appsv1beta1.LifecycleState, hook *appsv1beta1.LifecycleHook) []byte {
	labels := map[string]string{appsv1beta1.LifecycleStateLabel: string(state)}
	metadata := map[string]any{"uid": pod.UID, "labels": labels}
	if hook != nil {
		maps.Copy(labels, hook.LabelsHandler)
		if len(hook.FinalizersHandler) > 0 {
			metadata["finalizers"] = hook.FinalizersHandler
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil // It is made of strings.
	}
	return patch
}
