package plan

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// slow is after how long out of service people are told what a pod waits for. Most are back by then.
const slow = 30 * time.Second

// noteDrain tells what a pod waits for that is not seen drained.
func (p *planner) noteDrain(m *member) {
	what := "the kubelet to report it not ready"
	if ready := inplace.Condition(m.pod, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionFalse {
		what = "an EndpointSlice to say that it is not serving"
		if serving := p.servedBy(m); len(serving) > 0 {
			what = "the EndpointSlices of " + services(serving) + " to say that it is not serving"
		}
	}
	p.noteSlow(m, appsv1beta1.NoteDraining, what)
}

// noteRestart tells what a pod waits for that was patched.
func (p *planner) noteRestart(m *member) {
	switch names := m.progress.Unconfirmed; {
	case m.progress.Phase != inplace.PhaseRestarting:
	case len(names) > 0:
		p.noteSlow(m, appsv1beta1.NoteRestarting, "the kubelet to run the new image of "+strings.Join(names, ", "))
	case m.progress.Resize.Phase == inplace.ResizeInProgress:
		p.noteSlow(m, appsv1beta1.NoteRestarting, "the kubelet to give it its new resources")
	}
}

// noteSlow adds a note on a pod that has been out of service for long.
func (p *planner) noteSlow(m *member, reason, what string) {
	gate := inplace.Condition(m.pod, appsv1beta1.InPlaceUpdateReady)
	if gate == nil {
		return
	}
	since := gate.LastTransitionTime.Time
	if left := slow - p.in.Now.Sub(since); left > 0 {
		p.view.later(min(left, slow))
		return
	}
	p.note(m.pod, reason, fmt.Sprintf("waits for %s; it was taken out of service at %s", what, since.UTC().Format(time.RFC3339)))
}

// servedBy returns the Services that list a pod as serving.
func (p *planner) servedBy(m *member) []string {
	if p.in.Endpoints == nil {
		return nil
	}
	var names []string
	for _, e := range p.in.Endpoints.Of(m.pod.UID) {
		if e.Serving {
			names = append(names, e.Service)
		}
	}
	return names
}

// waits lists what pods wait for, to be told of a rollout that stands still.
func (p *planner) waits() string {
	var texts []string
	for _, note := range p.notes {
		if weight(note) == waiting {
			texts = append(texts, fmt.Sprintf("; %s %s", note.Name, note.Message))
		}
	}
	return strings.Join(texts, "")
}
