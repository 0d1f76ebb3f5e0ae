package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	// managerKills is how many managers are killed between a first drain and a last confirmation.
	managerKills = 20
	// leaderKills is how many leaders' pods are deleted without grace.
	leaderKills = 3
	// replacementTimeout bounds the start of a manager's pod.
	replacementTimeout = time.Minute
)

// managerView returns a view of the managers' namespace.
func managerView(t *testing.T) *framework.View {
	t.Helper()
	v, err := cluster(t).NewView(t.Context(), framework.ManagerNamespace)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// killer runs managers on this machine, one after the other, each until it is killed.
type killer struct {
	program *framework.ManagerProgram
	process *framework.ManagerProcess
}

// newKiller replaces the managers in the cluster until the test ends.
func newKiller(t *testing.T) *killer {
	t.Helper()
	c, v := cluster(t), managerView(t)
	if err := c.ScaleManager(t.Context(), v, 0); err != nil {
		t.Fatal(err)
	}
	program, err := c.BuildManager(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{program: program}
	k.start(t)
	t.Cleanup(func() { k.end(t) })
	return k
}

func (k *killer) start(t *testing.T) {
	t.Helper()
	var err error
	if k.process, err = k.program.Start(); err != nil {
		t.Fatal(err)
	}
}

func (k *killer) restart(t *testing.T) {
	t.Helper()
	if err := k.process.Kill(); err != nil {
		t.Fatal(err)
	}
	k.start(t)
}

func (k *killer) end(t *testing.T) {
	t.Helper()
	if err := k.process.Kill(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(k.program.LogPath()); err == nil && t.Failed() {
		t.Logf("the managers' log:\n%s", log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), replacementTimeout)
	defer cancel()
	v, err := shared.NewView(ctx, framework.ManagerNamespace)
	if err == nil {
		err = shared.ScaleManager(ctx, v, 2)
	}
	if err != nil {
		t.Errorf("start the managers in the cluster again: %v", err)
	}
}

// drainedAndUnconfirmed says whether a pod is between its drain and its confirmation.
func (e *env) drainedAndUnconfirmed() bool {
	for _, pod := range e.pods() {
		if !framework.InServiceByGate(pod) {
			return true
		}
	}
	return false
}

// killDuringRollout waits for a pod that is being updated, and lets a random part of its update pass before the kill. It
// tells whether the kill fell between a drain and a confirmation.
func (e *env) killDuringRollout(k *killer, random *rand.Rand) bool {
	e.Helper()
	e.until(func() (bool, string) {
		done, _ := framework.CloneSetComplete(e.view.CloneSet(app))
		return done || e.drainedAndUnconfirmed(), "no pod is drained, and the rollout does not end:" + e.view.Describe(app)
	})
	select {
	case <-time.After(time.Duration(random.Int64N(int64(3 * time.Second)))):
	case <-e.ctx.Done():
		e.Fatal(context.Cause(e.ctx))
	}
	counts := e.drainedAndUnconfirmed()
	k.restart(e.T)
	return counts
}

func TestManagerKilledDuringRollouts(t *testing.T) {
	k := newKiller(t)
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	random := rand.New(rand.NewPCG(1, 2))
	target := webV1
	for kills := 0; kills < managerKills; {
		if done, _ := framework.CloneSetComplete(e.view.CloneSet(app)); done {
			target = map[string]string{webV1: webV2, webV2: webV1}[target]
			e.setImage(ref(target))
		}
		if e.killDuringRollout(k, random) {
			kills++
		}
	}
	e.untilComplete()
	e.expectImages(map[string]int{ref(target): int(e.spec.Replicas)})
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}

func TestLeaderDeletedDuringRollouts(t *testing.T) {
	managers := managerView(t)
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	for i := range leaderKills {
		e.setImage(ref([]string{webV2, webV1}[i%2]))
		e.untilPod("no pod is drained", func(p *corev1.Pod) bool { return !framework.InServiceByGate(p) })
		e.deleteLeader(managers)
		e.untilComplete()
	}
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}

// deleteLeader deletes the leading manager's pod without grace, and waits for another to lead.
func (e *env) deleteLeader(managers *framework.View) {
	e.Helper()
	leader := managers.Pod(managers.Leader())
	if leader == nil {
		e.Fatalf("no pod leads: %q", managers.Leader())
	}
	e.must(e.cluster.Client.Delete(e.ctx, leader.DeepCopy(), client.GracePeriodSeconds(0)))
	ctx, cancel := context.WithTimeoutCause(e.ctx, replacementTimeout, errors.New("timed out"))
	defer cancel()
	e.must(managers.Until(ctx, func() (bool, string) {
		now := managers.Leader()
		return now != "" && now != leader.Name, "no other manager leads"
	}))
}
