package plan

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// maxNotes is how many notes on pods a status holds.
const maxNotes = 10

// invalidStatus reports a spec that contradicts itself. The counters stay what they were.
func invalidStatus(in *Input, message string) appsv1beta1.CloneSetStatus {
	status := *in.Set.Status.DeepCopy()
	status.ObservedGeneration = in.Set.Generation
	setInvalid(&status, in, message)
	return status
}

// status reports what was observed.
func (p *planner) status() appsv1beta1.CloneSetStatus {
	before := p.in.Set.Status.DeepCopy()
	status := appsv1beta1.CloneSetStatus{
		ObservedGeneration:      p.in.Set.Generation,
		ExpectedUpdatedReplicas: int32(p.limits.replicas - keepOf(p.limits, p.failures.asked.Name, p.in.Revisions.Current.Name)),
		UpdateRevision:          p.failures.asked.Name,
		CurrentRevision:         p.in.Revisions.Current.Name,
		CollisionCount:          p.in.Revisions.CollisionCount,
		LabelSelector:           p.selector.String(),
		Conditions:              before.Conditions,
		RecreateField:           p.recreateField,
	}
	if status.RecreateField == "" && before.UpdateRevision == status.UpdateRevision {
		status.RecreateField = before.RecreateField
	}
	for _, list := range [][]*member{p.view.old, p.view.updated, p.leaving} {
		for _, m := range list {
			p.count(m, &status)
			countUpdated(m, &status)
		}
	}
	if p.complete(&status) {
		status.CurrentRevision = status.UpdateRevision
	}
	p.notes = onePerPod(p.notes)
	status.PodNotes = p.notes[:min(len(p.notes), maxNotes)]
	p.setConditions(&status)
	p.tellTimes(&status)
	return status
}

func (p *planner) count(m *member, status *appsv1beta1.CloneSetStatus) {
	status.Replicas++
	if m.ready {
		status.ReadyReplicas++
	}
	if m.available {
		status.AvailableReplicas++
		return
	}
	p.noteTrouble(m)
}

func countUpdated(m *member, status *appsv1beta1.CloneSetStatus) {
	if m.revision != status.UpdateRevision || !m.isUpdated() {
		return
	}
	status.UpdatedReplicas++
	if m.ready {
		status.UpdatedReadyReplicas++
	}
	if m.available {
		status.UpdatedAvailableReplicas++
	}
}

// noteTrouble tells why a pod is not available, if there is more to it than that it has to be waited for.
func (p *planner) noteTrouble(m *member) {
	p.noteRestart(m)
	if trouble := inplace.Trouble(m.pod, m.seen); trouble != nil {
		p.note(m.pod, trouble.Reason, trouble.Message)
		return
	}
	scheduled := inplace.Condition(m.pod, corev1.PodScheduled)
	if scheduled != nil && scheduled.Status == corev1.ConditionFalse {
		p.note(m.pod, appsv1beta1.NoteUnschedulable, scheduled.Message)
	}
}

// complete tells whether all pods are at the update revision and available.
func (p *planner) complete(status *appsv1beta1.CloneSetStatus) bool {
	return p.failures.verdict == nil && len(p.view.old) == 0 && int(status.Replicas) == p.limits.replicas &&
		int(status.UpdatedAvailableReplicas) == p.limits.replicas && p.isProven()
}

// onePerPod returns the notes by name, one a pod: what is wrong with a pod goes before what it waits for, and that before
// what is done to it.
func onePerPod(all []appsv1beta1.PodNote) []appsv1beta1.PodNote {
	notes := slices.Clone(all)
	slices.SortStableFunc(notes, func(a, b appsv1beta1.PodNote) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(weight(a), weight(b)))
	})
	return slices.CompactFunc(notes, func(a, b appsv1beta1.PodNote) bool { return a.Name == b.Name })
}

// What a note may be of, by its weight.
const (
	wrong = iota
	waiting
	doing
)

func weight(note appsv1beta1.PodNote) int {
	switch note.Reason {
	case appsv1beta1.NoteAwaitingHook, appsv1beta1.NoteAwaitingImage, appsv1beta1.NoteAwaitingDigest,
		appsv1beta1.NoteAwaitingRelease, appsv1beta1.NoteLastEndpoint, appsv1beta1.NoteDraining, appsv1beta1.NoteRestarting,
		appsv1beta1.NoteResizeDeferred, appsv1beta1.NoteResizeFailed, appsv1beta1.NoteResizeRefused:
		return waiting
	case appsv1beta1.NoteRecreate, appsv1beta1.NoteForeignClaim, appsv1beta1.NoteInPlaceImpossible,
		appsv1beta1.NotePublishedNotReady:
		return doing
	}
	return wrong
}
