package e2e

import (
	"slices"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// expectLedger checks what is told of an update of all pods from their first image to the second: by the pods that their one
// restart was planned, and by the status how long they were out of service.
func (e *env) expectLedger() {
	e.Helper()
	pods := e.pods()
	for _, pod := range pods {
		e.Logf("%s: %s", pod.Name, pod.Annotations[appsv1beta1.LastUpdateAnnotation])
		last := inplace.ReadLastUpdate(pod)
		if last == nil || len(last.PlannedRestarts) != 1 || last.PlannedRestarts[framework.MainContainer] != 1 {
			e.Errorf("pod %s tells %+v of its update", pod.Name, last)
			continue
		}
		if _, known := last.Phases[appsv1beta1.UpdateDrain]; !known {
			e.Errorf("pod %s does not tell how long it was drained: %v", pod.Name, last.Phases)
		}
	}
	e.untilSet("the status does not tell how long the pods were out of service", func(set *appsv1beta1.CloneSet) bool {
		times := set.Status.UpdateTimes
		return times != nil && times.Updates == int32(len(pods)) && slices.ContainsFunc(times.Phases, func(p appsv1beta1.PhaseTimes) bool {
			return p.Phase == appsv1beta1.UpdateOutOfService && p.Count == times.Updates && p.P50.Duration > 0
		})
	})
	for _, phase := range e.view.CloneSet(app).Status.UpdateTimes.Phases {
		e.Logf("%s of %d: p50 %s, p95 %s", phase.Phase, phase.Count, phase.P50.Duration, phase.P95.Duration)
	}
}
