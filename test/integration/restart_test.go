package integration_test

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// A manager that ends in any phase of an update leaves all that the next one needs to know. Nothing is done twice.
func TestRestartedInEachPhaseOfUpdate(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(3, setGrace(1))
	before := e.identities()
	e.change(setImage(slowImage), unrehearsed)

	pod := e.untilPod("is drained", isDraining)
	m = e.restart(m, func() {
		e.untilKnown(pod, "is not ready", func(pod *corev1.Pod) bool { return !framework.IsReady(pod) })
	})
	e.untilKnown(pod, "is restarting", isRestarting)
	m = e.restart(m, func() {})
	e.untilKnown(pod, "is confirmed", framework.InServiceByGate)

	pod = e.untilPod("is restarting", isRestarting)
	m = e.restart(m, func() { e.untilKnown(pod, "has restarted", runs(slowImage)) })
	e.untilKnown(pod, "is confirmed", framework.InServiceByGate)
	e.restart(m, func() {})

	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(3, "run the new image", runs(slowImage))
	e.expectAcceptedPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
}

func TestRestartedInEachPhaseOfRecreation(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(2)
	e.change(setEnv("fast"))
	pod := e.untilPod("is deleted", func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	m = e.restart(m, func() { e.untilGone(pod) })
	pod = e.untilPod("is new", isNew)
	m = e.restart(m, func() {
		e.untilKnown(pod, "runs", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodRunning })
	})
	e.untilComplete(app)
	e.change(setReplicas(4))
	e.untilPod("is new", isNew)
	e.restart(m, func() {})
	e.untilComplete(app)
	e.expectAcceptedPodWrites(map[string]int{"create": 2 + 2 + 2, "patch status": 2 + 2 + 2, "delete": 2})
	e.expectCount(4, "have the new environment", func(pod *corev1.Pod) bool { return len(pod.Spec.Containers[0].Env) == 1 })
}

// A template that was set back while there was no manager: what was drained goes back into service.
func TestRolledBackWithoutManager(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(2, setGrace(forEver))
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilPod("is drained", isDraining)
	e.restart(m, func() { e.change(setImage(imageV1)) })
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(2, "are in service", framework.InServiceByGate)
}

func isNew(pod *corev1.Pod) bool {
	return podCondition(pod, appsv1beta1.InPlaceUpdateReady) == nil
}

// restart stops a manager, lets something happen without it, and starts another one.
func (e *env) restart(m *harness.Manager, meanwhile func()) *harness.Manager {
	e.Helper()
	e.stopManager(m)
	meanwhile()
	return e.startManager()
}

// Of two managers with leader election only one acts. When it ends, the other goes on.
func TestLeaderElection(t *testing.T) {
	e := newQuietEnv(t)
	leader, follower := e.startElected(), e.startElected()
	select {
	case <-leader.Elected():
	case <-follower.Elected():
		leader, follower = follower, leader
	case <-e.ctx.Done():
	}
	e.created(3)
	before := e.identities()
	e.change(setImage(slowImage), unrehearsed)
	e.untilPod("is restarting", isRestarting)
	select {
	case <-follower.Elected():
		t.Error("both managers lead")
	default:
	}
	e.stopManager(leader)
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectAcceptedPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
	e.expectNoConflict()
}

// expectAcceptedPodWrites checks how often at most pods were written with success, by verb. A call that the manager's end
// cut off is in the audit log as failed, whether it took effect or not.
func (e *env) expectAcceptedPodWrites(most map[string]int) {
	e.Helper()
	got := map[string]int{}
	for _, write := range e.managerWrites("pods") {
		if write.Response.Code < http.StatusBadRequest {
			got[kindOf(write)]++
		}
	}
	for kind, count := range got {
		if count > most[kind] {
			e.Errorf("pods were written %v, want at most %v", got, most)
		}
	}
}

// startElected starts a manager that acts once it leads.
func (e *env) startElected() *harness.Manager {
	e.Helper()
	m, err := harness.StartManager(context.WithoutCancel(e.ctx), e.cluster.Config, e.namespace)
	e.must(err)
	e.Cleanup(func() { e.stopManager(m) })
	return m
}
