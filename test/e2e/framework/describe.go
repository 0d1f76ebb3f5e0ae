package framework

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// describe says of each pod what a person would look for when a test has failed.
func describe(pods ...*corev1.Pod) string {
	var b strings.Builder
	for _, pod := range pods {
		if pod == nil {
			b.WriteString("\n  (no pod)")
			continue
		}
		fmt.Fprintf(&b, "\n  %s %s ready=%t deleted=%t gate=%t", pod.Name, pod.Status.Phase, IsReady(pod),
			pod.DeletionTimestamp != nil, InServiceByGate(pod))
		for _, s := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
			fmt.Fprintf(&b, "\n    %s %s restarts=%d %s", s.Name, s.Image, s.RestartCount, describeState(s.State))
		}
	}
	return b.String()
}

func describeState(s corev1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running"
	case s.Waiting != nil:
		return fmt.Sprintf("waiting %s %s", s.Waiting.Reason, s.Waiting.Message)
	case s.Terminated != nil:
		return fmt.Sprintf("terminated %s exit %d", s.Terminated.Reason, s.Terminated.ExitCode)
	default:
		return "nothing said"
	}
}

// Describe says of a workload's pods, CloneSet and events what a person would look for when a test has failed.
func (v *View) Describe(app string) string {
	var b strings.Builder
	if set := v.CloneSet(app); set != nil {
		fmt.Fprintf(&b, "CloneSet %s of generation %d: %+v", app, set.Generation, set.Status)
	}
	b.WriteString(describe(v.Pods(app)...))
	for _, e := range v.Events(app) {
		fmt.Fprintf(&b, "\n  event %s (%d times): %s", e.Reason, e.Count, e.Message)
	}
	return b.String()
}
