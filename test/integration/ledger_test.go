package integration_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// How long the phases of updates took is told by the status, by metrics and by each pod, and costs no write of a pod and one
// of the CloneSet at most.
func TestTellsHowLongUpdatesTook(t *testing.T) {
	e := newEnv(t)
	e.createService(false)
	e.created(3)
	e.untilServing(3)
	before := e.present()
	e.change(setImage(harness.LazyPrefix + "web:v2"))
	e.untilComplete(app)
	set := e.untilTold(3)
	for _, phase := range inplace.UpdatePhases() {
		if told := phaseOf(set, phase); told.Count != 3 || told.P50.Duration < 0 || told.P95.Duration < told.P50.Duration {
			t.Errorf("the status tells of %s %+v", phase, told)
		}
	}
	if out := phaseOf(set, appsv1beta1.UpdateOutOfService); out.P95.Duration == 0 {
		t.Errorf("the status tells of no time out of service: %+v", set.Status.UpdateTimes)
	}
	for _, pod := range e.view.Pods(app) {
		e.expectTold(pod, appsv1beta1.UpdateRehearse, appsv1beta1.UpdateDrain, appsv1beta1.UpdateStop, appsv1beta1.UpdateStart)
	}
	e.expectToldByThirdWrite(before)
	e.expectOwned(e.view.Pods(app)[0].Name)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
	e.expectNoConflict()
	if alone := e.writesOfTimesAlone(before); alone > 1 {
		t.Errorf("the status was written %d times for nothing but updateTimes", alone)
	}
	e.expectMetrics(set)
}

// What a manager was not there to see is not known to it, and not guessed.
func TestTellsOnlyWhatWasSeen(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(1, setGrace(forEver))
	e.change(setImage(imageV2), unrehearsed)
	e.untilPod("is drained", isDraining)
	e.restart(m, func() { e.change(setGrace(0)) })
	e.untilComplete(app)
	e.expectTold(e.view.Pods(app)[0], appsv1beta1.UpdateStop, appsv1beta1.UpdateStart)
	set := e.untilTold(1)
	var told []appsv1beta1.UpdatePhase
	for _, phase := range set.Status.UpdateTimes.Phases {
		told = append(told, phase.Phase)
	}
	want := []appsv1beta1.UpdatePhase{appsv1beta1.UpdateStop, appsv1beta1.UpdateStart, appsv1beta1.UpdateReady}
	if !slices.Equal(told, want) {
		t.Errorf("the status tells of %v, want %v", told, want)
	}
}

// untilTold waits for the status to tell of so many updates to the update revision.
func (e *env) untilTold(updates int32) *appsv1beta1.CloneSet {
	e.Helper()
	return e.untilSet("the status does not tell how long the updates took", func(set *appsv1beta1.CloneSet) bool {
		times := set.Status.UpdateTimes
		return times != nil && times.Updates == updates && times.Revision == set.Status.UpdateRevision
	})
}

func phaseOf(set *appsv1beta1.CloneSet, phase appsv1beta1.UpdatePhase) appsv1beta1.PhaseTimes {
	for _, told := range set.Status.UpdateTimes.Phases {
		if told.Phase == phase {
			return told
		}
	}
	return appsv1beta1.PhaseTimes{}
}

// expectTold checks that a pod tells of these phases of its update, and that its one restart was planned.
func (e *env) expectTold(pod *corev1.Pod, phases ...appsv1beta1.UpdatePhase) {
	e.Helper()
	last := inplace.ReadLastUpdate(pod)
	if last == nil || last.Revision != pod.Labels[appsv1beta1.RevisionLabel] || last.Generation != pod.Generation {
		e.Fatalf("pod %s tells %+v of its update", pod.Name, last)
	}
	for _, phase := range inplace.UpdatePhases() {
		if took, ok := last.Phases[phase]; ok != slices.Contains(phases, phase) || took.Duration < 0 {
			e.Errorf("pod %s tells of %s: %v (%s), want %v", pod.Name, phase, ok, took.Duration, phases)
		}
	}
	for i := range pod.Status.ContainerStatuses {
		if status := &pod.Status.ContainerStatuses[i]; status.RestartCount != last.PlannedRestarts[status.Name] {
			e.Errorf("container %s of pod %s was restarted %d times, planned %v", status.Name, pod.Name, status.RestartCount, last.PlannedRestarts)
		}
	}
}

// expectOwned checks that the annotation of a pod belongs to the manager, by its write of the pod's status: who applies the pod
// does not run into it.
func (e *env) expectOwned(name string) {
	e.Helper()
	pod := &corev1.Pod{}
	e.must(e.client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, pod))
	var owners []string
	for _, entry := range pod.ManagedFields {
		if entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.String(), "f:"+appsv1beta1.LastUpdateAnnotation) {
			owners = append(owners, entry.Manager+"/"+entry.Subresource)
		}
	}
	if want := []string{appsv1beta1.FieldOwner + "/status"}; !slices.Equal(owners, want) {
		e.Errorf("the annotation of pod %s belongs to %v, want %v", name, owners, want)
	}
}

// expectToldByThirdWrite checks that what pods tell of their update came with the write that brought them back.
func (e *env) expectToldByThirdWrite(since string) {
	e.Helper()
	was := map[string]*corev1.Pod{}
	for _, pod := range history[*corev1.Pod](e, &corev1.PodList{}, since) {
		before := was[pod.Name]
		if before != nil && inplace.ReadLastUpdate(before) == nil && inplace.ReadLastUpdate(pod) != nil &&
			(framework.InServiceByGate(before) || !framework.InServiceByGate(pod)) {
			e.Errorf("pod %s told of its update at version %s, when it was not brought back", pod.Name, pod.ResourceVersion)
		}
		was[pod.Name] = pod
	}
}

// writesOfTimesAlone returns how many versions of the CloneSet differ from the one before in status.updateTimes alone.
func (e *env) writesOfTimesAlone(since string) int {
	e.Helper()
	alone, last := 0, (*appsv1beta1.CloneSet)(nil)
	for _, set := range history[*appsv1beta1.CloneSet](e, &appsv1beta1.CloneSetList{}, since) {
		if last != nil && set.Generation == last.Generation && !equality.Semantic.DeepEqual(set.Status.UpdateTimes, last.Status.UpdateTimes) {
			same := *set.Status.DeepCopy()
			if same.UpdateTimes = last.Status.UpdateTimes; equality.Semantic.DeepEqual(same, last.Status) {
				alone++
			}
		}
		last = set
	}
	return alone
}

// expectMetrics checks what the manager, which is one of this process, tells of the updates of a CloneSet.
func (e *env) expectMetrics(set *appsv1beta1.CloneSet) {
	e.Helper()
	planned := e.metric("insitu_planned_restarts_total", map[string]string{"namespace": set.Namespace, "cloneset": set.Name})
	if planned != 3 {
		e.Errorf("%v restarts were planned by the metrics, want 3", planned)
	}
	for _, phase := range inplace.UpdatePhases() {
		got := e.metric("insitu_update_phase_seconds", map[string]string{"phase": string(phase)})
		if got < 3 { // Other tests update pods, too.
			e.Errorf("the metrics tell of %v times of the phase %s", got, phase)
		}
	}
}

// metric returns the value of a counter, or the number of what a histogram has observed.
func (e *env) metric(name string, labels map[string]string) float64 {
	e.Helper()
	families, err := metrics.Registry.Gather()
	e.must(err)
	for _, family := range families {
		for _, metric := range family.Metric {
			found := map[string]string{}
			for _, label := range metric.Label {
				found[label.GetName()] = label.GetValue()
			}
			if family.GetName() == name && maps.Equal(found, labels) {
				return metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	e.Errorf("there is no metric %s%v", name, labels)
	return 0
}
