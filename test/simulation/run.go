package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// planner is plan.Compute, or a broken one that the invariants have to catch.
type planner func(plan.Input) plan.Plan

// run is one simulation.
type run struct {
	world   *kubelet.World
	set     *appsv1beta1.CloneSet
	history history
	manager *manager
	rng     *rand.Rand
	compute planner
	// lag is how many events the cache may be behind at a pass.
	lag int

	// due is when the next pass is; zero means when something happens.
	due time.Time
	// events is how many events of the world were answered by a pass.
	events int
	passes int
	log    []string
	broken string
	// withdrawn are pods that the controller took out of service and did not bring back.
	withdrawn map[types.UID]bool
	// shaken are pods whose node was lost: their containers may be restarted by anybody. edited are pods whose image
	// somebody set by hand: nobody knows what they are to run.
	shaken, edited map[types.UID]bool
	// publishes tells that the Service sends traffic to pods that are not ready, by its owner's will.
	publishes bool
	// undated tells that the kubelets report no generation. The restart after a slow pull cannot be told from none then,
	// and a pod may be counted updated too early.
	undated bool
}

// settle runs until nothing is left to happen before the limit, or until done returns true.
func (r *run) settle(limit time.Duration, done func() bool) bool {
	end := r.world.Now().Add(limit)
	for r.broken == "" && r.world.Now().Before(end) {
		if done != nil && done() {
			return true
		}
		if !r.step(end) {
			return false
		}
	}
	return false
}

// step lets the next thing happen: something in the world, or a pass. It returns false if nothing is left before the
// limit.
func (r *run) step(limit time.Time) bool {
	next, ok := r.world.NextDue()
	passIsNext := !r.due.IsZero() && (!ok || !r.due.After(next))
	switch {
	case passIsNext && r.due.After(limit), !passIsNext && (!ok || next.After(limit)):
		r.world.AdvanceTo(limit)
		return false
	case passIsNext:
		r.world.AdvanceTo(r.due)
		r.due = time.Time{}
		r.pass()
	default:
		r.world.AdvanceTo(next)
	}
	if n := len(r.world.Events(0)); n > r.events {
		r.events = n
		r.wake(time.Duration(r.rng.Int64N(int64(coalescing))))
	}
	return true
}

// wake has a pass done after a while, unless one is due sooner.
func (r *run) wake(after time.Duration) {
	at := r.world.Now().Add(after)
	if r.due.IsZero() || at.Before(r.due) {
		r.due = at
	}
}

// pass is one pass of the manager, as the reconciler does it.
func (r *run) pass() {
	r.passes++
	r.manager.catchUp(r.rng.IntN(r.lag + 1))
	if !r.manager.isFresh() {
		r.wake(coalescing)
		return
	}
	in := r.manager.observe(r.set, r.history.resolve(r.set))
	p := r.compute(in)
	check := r.newChecker(&in)
	if !r.manager.apply(p.Actions, check) {
		r.note("the manager dies")
		r.restart()
		return
	}
	check.status(&p.Status)
	r.set.Status = p.Status
	if p.Wake > 0 {
		r.wake(p.Wake)
	}
	if r.manager.cache.Lag() > 0 {
		r.wake(coalescing) // The events that the cache has not seen yet are still to come.
	}
}

// restart begins a new life of the manager.
func (r *run) restart() {
	r.manager = newManager(r.world, r.rng)
	r.wake(time.Second)
}

// edit changes the CloneSet, as a user does.
func (r *run) edit(what string, change func(*appsv1beta1.CloneSetSpec)) {
	next := r.set.DeepCopy()
	change(&next.Spec)
	next.Generation++
	r.set = next
	r.note("%s", what)
	r.wake(0)
}

// note adds a line to what is printed when an invariant breaks.
func (r *run) note(format string, args ...any) {
	at := r.world.Now().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r.log = append(r.log, fmt.Sprintf("%8.3fs %s", at.Seconds(), fmt.Sprintf(format, args...)))
}

// fail takes note of the first broken invariant.
func (r *run) fail(format string, args ...any) {
	if r.broken == "" {
		r.broken = fmt.Sprintf(format, args...)
		r.note("BROKEN: %s", r.broken)
	}
}

func objectMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "set-uid", Generation: 1}
}
