package main

import (
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// phase is where a pod is in a rollout, in words for people.
type phase string

const (
	phaseWaiting     phase = "waiting"
	phaseDraining    phase = "draining"
	phaseRestarting  phase = "restarting"
	phaseTerminating phase = "terminating"
	phaseCreated     phase = "created"
	phaseInit        phase = "initialising"
	phaseStarting    phase = "starting"
	phaseDone        phase = "done"
	phaseGone        phase = "gone"
)

// phaseOf tells the phase of a pod in a rollout to the image.
func phaseOf(pod *corev1.Pod, image string, isNew bool) phase {
	updated := pod.Spec.Containers[0].Image == image
	switch {
	case pod.DeletionTimestamp != nil:
		return phaseTerminating
	case updated && framework.IsReady(pod):
		return phaseDone
	case isNew:
		return startPhase(pod)
	case updated:
		return phaseRestarting
	case framework.IsReady(pod):
		return phaseWaiting
	default:
		return phaseDraining
	}
}

// startPhase tells how far a new pod is.
func startPhase(pod *corev1.Pod) phase {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodInitialized && c.Status == corev1.ConditionTrue {
			return phaseStarting
		}
	}
	for _, s := range pod.Status.InitContainerStatuses {
		if s.State.Waiting == nil {
			return phaseInit
		}
	}
	return phaseCreated
}

// timeline prints a line whenever a pod enters another phase.
type timeline struct {
	out   io.Writer
	clock clock.PassiveClock
	image string
	begin time.Time
	old   map[types.UID]bool
	pods  map[types.UID]*progress
	order []types.UID
	done  int
}

type progress struct {
	name  string
	phase phase
	// since is when the pod left the state in which it served, or was created.
	since time.Time
}

func newTimeline(out io.Writer, c clock.PassiveClock, image string, pods []*corev1.Pod) *timeline {
	t := &timeline{
		out: out, clock: c, image: image, begin: c.Now(), old: map[types.UID]bool{}, pods: map[types.UID]*progress{},
	}
	for _, pod := range pods {
		t.old[pod.UID] = true
		t.add(pod, phaseWaiting)
	}
	return t
}

func (t *timeline) add(pod *corev1.Pod, p phase) *progress {
	entry := &progress{name: pod.Name, phase: p, since: t.clock.Now()}
	t.pods[pod.UID] = entry
	t.order = append(t.order, pod.UID)
	return entry
}

// observe takes the pods as they are now.
func (t *timeline) observe(pods []*corev1.Pod) {
	present := map[types.UID]bool{}
	for _, pod := range pods {
		present[pod.UID] = true
		entry := t.pods[pod.UID]
		if entry == nil {
			entry = t.add(pod, "")
		}
		t.enter(entry, phaseOf(pod, t.image, !t.old[pod.UID]))
	}
	for _, uid := range t.order {
		if !present[uid] {
			t.enter(t.pods[uid], phaseGone)
		}
	}
}

func (t *timeline) enter(entry *progress, p phase) {
	if entry.phase == p {
		return
	}
	now := t.clock.Now()
	if entry.phase == phaseWaiting {
		entry.since = now
	}
	entry.phase = p
	text := string(p)
	if p == phaseDone {
		t.done++
		text = fmt.Sprintf("done, after %.1f s (%d of %d)", now.Sub(entry.since).Seconds(), t.done, replicas)
	}
	fmt.Fprintf(t.out, "  %6.1f s  %-24s %s\n", now.Sub(t.begin).Seconds(), entry.name, text)
}
