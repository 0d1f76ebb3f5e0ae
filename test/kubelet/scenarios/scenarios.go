// Package scenarios holds what is done to pods both on the model kubelet and on a real one, and the states that both must
// show meanwhile, in the same order.
//
// A kubelet generates statuses one after the other and sends only the newest, so that a client may miss one that was
// overtaken. Which those can be is part of each scenario: the states that last for less than [Brief] are marked, and only
// these may be missing from what a client sees. Everything else must be there, and nothing besides.
package scenarios

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Brief is how long a state may last at most to be missed.
const Brief = 900 * time.Millisecond

// Scenario is what is done to one pod, and what the pod shows.
type Scenario struct {
	// Name says in words what happens.
	Name string
	// Pod is the pod as it is created.
	Pod func() *corev1.Pod
	// FromCreation begins the record with the pod's creation. Otherwise it begins when the pod is ready.
	FromCreation bool
	// Do does it, and returns when nothing is left to happen.
	Do func(*Play)
	// Shows are the states in their order. Those that begin with ~ are brief.
	Shows []string
}

// Stage is where scenarios are played: a pod on some kubelet, behind some API server.
type Stage interface {
	// Create creates the pod.
	Create(pod *corev1.Pod) error
	// Patch changes it by a strategic merge patch.
	Patch(patch []byte, subresource string) error
	// Delete deletes it with its own grace period.
	Delete() error
	// Next waits for the next version of the pod and returns it with the time at which it was there. The pod is nil once
	// it is gone. An error tells that there is none within a minute or two.
	Next() (*corev1.Pod, time.Time, error)
}

// Play is a scenario on a stage. Its methods fail the test themselves.
type Play struct {
	*testing.T
	stage  Stage
	pod    *corev1.Pod
	record Record
}

// Run plays a scenario, and returns what the pod has shown.
func (s *Scenario) Run(t *testing.T, stage Stage) Record {
	t.Helper()
	p := &Play{T: t, stage: stage}
	p.must(stage.Create(s.Pod()))
	if !s.FromCreation {
		p.Until("it is ready", func(pod *corev1.Pod) bool { return isReady(pod) || onlyGateMissing(pod) })
		if len(s.Pod().Spec.ReadinessGates) > 0 {
			p.SetGate(corev1.ConditionTrue)
			p.Until("it is ready", isReady)
		}
		p.record = p.record[len(p.record)-1:]
	}
	s.Do(p)
	return p.record
}

// Until waits until the pod is as wanted.
func (p *Play) Until(what string, wanted func(*corev1.Pod) bool) {
	p.Helper()
	for p.pod == nil || !wanted(p.pod) {
		pod, at, err := p.stage.Next()
		if err != nil {
			p.Fatalf("waiting until %s: %v; the pod has shown\n%s", what, err, p.record)
		}
		p.pod = pod
		p.record = append(p.record, Entry{At: at, State: Describe(pod)})
		if pod == nil {
			return
		}
	}
}

// UntilObserved waits until the kubelet has seen the newest spec.
func (p *Play) UntilObserved(generation int64) {
	p.Helper()
	p.Until(fmt.Sprintf("generation %d is observed", generation), func(pod *corev1.Pod) bool {
		return pod.Status.ObservedGeneration >= generation
	})
}

// UntilRestarted waits until the pod is ready and the container was restarted so often.
func (p *Play) UntilRestarted(container string, times int32) {
	p.Helper()
	p.Until(fmt.Sprintf("%s is ready after %d restarts", container, times), func(pod *corev1.Pod) bool {
		status := statusOf(pod, container)
		return status != nil && status.RestartCount == times && status.Ready && status.State.Running != nil && isReady(pod)
	})
}

// UntilWaiting waits until the container is not started for that reason, after so many restarts.
func (p *Play) UntilWaiting(container, reason string, restarts int32) {
	p.Helper()
	p.Until(container+" is waiting: "+reason, func(pod *corev1.Pod) bool {
		status := statusOf(pod, container)
		return status != nil && stateOf(status.State) == reason && status.RestartCount == restarts
	})
}

// UntilReady waits until the pod is ready, or until it is not.
func (p *Play) UntilReady(ready bool) {
	p.Helper()
	p.Until(fmt.Sprintf("ready is %t", ready), func(pod *corev1.Pod) bool { return isReady(pod) == ready })
}

// UntilGone waits until the pod is gone.
func (p *Play) UntilGone() {
	p.Helper()
	p.Until("it is gone", func(*corev1.Pod) bool { return false })
}

// SetImages changes images, by the containers' names, with one patch.
func (p *Play) SetImages(images map[string]string) {
	p.Helper()
	p.must(p.stage.Patch(imagePatch(p.pod, images), ""))
}

// SetImage changes the image of one container.
func (p *Play) SetImage(container, image string) {
	p.Helper()
	p.SetImages(map[string]string{container: image})
}

// SetGate sets the readiness gate.
func (p *Play) SetGate(status corev1.ConditionStatus) {
	p.Helper()
	p.must(p.stage.Patch(fmt.Appendf(nil, `{"status":{"conditions":[{"type":%q,"status":%q}]}}`, gate, status), "status"))
}

// Delete deletes the pod.
func (p *Play) Delete() {
	p.Helper()
	p.must(p.stage.Delete())
}

func (p *Play) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}
