package plan

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Endpoint is what a Service lists of a pod.
type Endpoint struct {
	// Service is the name of the Service.
	Service string
	// Serving tells that the pod may be sent requests.
	Serving bool
	// Published tells that the Service names the pod to its clients, though it is not serving.
	Published bool
}

// Endpoints are those of all Services of a namespace.
type Endpoints interface {
	// Of returns what Services list of a pod, one entry a Service.
	Of(pod types.UID) []Endpoint
	// AnyServing tells whether any endpoint of a Service is serving, but for those of the pods that are excepted.
	AnyServing(service string, except func(pod types.UID) bool) bool
}

// sparable tells whether a pod may be taken out of service, as far as the Services go that it is an endpoint of. The last
// one that serves stays until another pod has come back. Where there is none to wait for, it goes, with a warning: the
// user's numbers allow that nothing serves. A pod that was chosen before goes on.
func (p *planner) sparable(m *member) bool {
	last := p.servedByAlone(m)
	if len(last) == 0 || m.begun() || !p.helpIsComing(m) {
		return true
	}
	p.note(m.pod, appsv1beta1.NoteLastEndpoint,
		"waits for another pod to come back: it is the last one that serves as an endpoint of "+services(last))
	return false
}

// lastWords tells, of a pod that is about to be taken out of service, for which Services nothing serves then.
func (p *planner) lastWords(m *member) string {
	last := p.servedByAlone(m)
	if len(last) == 0 {
		return ""
	}
	return "; no endpoint of " + services(last) + " is serving meanwhile"
}

// servedByAlone returns the Services that have no other endpoint that is serving, and goes on serving in this pass. What is
// known of the CloneSet's own pods goes before what the EndpointSlices say, which follow them.
func (p *planner) servedByAlone(m *member) []string {
	if p.in.Endpoints == nil {
		return nil
	}
	gone := func(pod types.UID) bool { return pod == m.pod.UID || p.down[pod] }
	var last []string
	for _, e := range p.in.Endpoints.Of(m.pod.UID) {
		if e.Serving && !p.in.Endpoints.AnyServing(e.Service, gone) {
			last = append(last, e.Service)
		}
	}
	return last
}

// helpIsComing tells whether another pod is on its way to serve: one that is to be made, or that has a node and is not
// available or not serving yet, and is to stay. An old pod that is down, and that is to stay as it is, is not waited for:
// nothing that is done brings it back.
func (p *planner) helpIsComing(last *member) bool {
	if p.counts.all < p.limits.replicas+p.counts.surge {
		return true
	}
	for m := range p.all() {
		comes := isScheduled(m.pod) && !m.preparing() && !m.specified && !p.isLeftDown(m)
		if m != last && comes && (!m.available || p.down[m.pod.UID] || !p.servesFully(m)) {
			return true
		}
	}
	return false
}

// isLeftDown tells whether the pod is down and not to be updated. Where a pod is to be replaced for its resources, none is
// chosen yet: then each old one is to be updated, unless some are kept.
func (p *planner) isLeftDown(m *member) bool {
	if m.ready || !m.old || m.chosen || m.begun() || p.isStuck(m) {
		return false
	}
	return p.keep > 0 || p.policy() == appsv1beta1.InPlaceOnlyPodUpdatePolicy
}

func isScheduled(pod *corev1.Pod) bool {
	scheduled := inplace.Condition(pod, corev1.PodScheduled)
	return pod.Spec.NodeName != "" && (scheduled == nil || scheduled.Status == corev1.ConditionTrue)
}

// servesFully tells whether a pod serves as an endpoint of every Service that lists it.
func (p *planner) servesFully(m *member) bool {
	for _, e := range p.in.Endpoints.Of(m.pod.UID) {
		if !e.Serving {
			return false
		}
	}
	return true
}

// published tells of the Services that go on naming a drained pod to their clients.
func (p *planner) published(m *member) string {
	if p.in.Endpoints == nil {
		return ""
	}
	var names []string
	for _, e := range p.in.Endpoints.Of(m.pod.UID) {
		if e.Published {
			names = append(names, e.Service)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return services(names) + " has publishNotReadyAddresses: clients may go on sending requests to the pod while it is drained"
}

func services(names []string) string { return "Service " + strings.Join(names, ", ") }
