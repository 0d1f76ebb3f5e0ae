package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// planner is plan.Compute, or a broken one that the invariants have to catch.
type planner func(plan.Input) plan.Plan

// run is one simulation.
type run struct {
	world  *kubelet.World
	claims *claimStore
	// budgets has the PodDisruptionBudget, where there is one.
	budgets *budgetStore
	// registry has the images.
	registry *registry
	// owed are the restarts that pods were patched for, chosen the digests of images by revision, and skipped tells that
	// containers whose image is the same were not restarted at some time.
	owed   map[types.UID]due
	chosen map[string]string
	// steadies is how often the container whose image never changes was restarted since that was asked for.
	steadies map[types.UID]int
	skipped  bool
	// pinnedOnce tells that images were pinned at some time.
	pinnedOnce bool
	// sets are the versions of the CloneSet, the latest one last.
	sets    []*appsv1beta1.CloneSet
	history *history
	manager *manager
	late    late
	rng     *rand.Rand
	compute planner
	// fault decides what goes wrong with one call.
	fault func() (before, after error)
	// lag is how many changes of a kind a cache may be behind at a pass.
	lag int

	// due is when the next pass is; zero means when something happens. retries are the failures in a row.
	due     time.Time
	retries int
	// events, claimEvents, budgetEvents and handled are how many changes were answered by a pass, and by who handles the hooks.
	events, claimEvents, budgetEvents, handled int
	// collecting and handling tell what is on its way.
	collecting bool
	handling   map[types.UID]bool
	releasing  map[types.UID]bool
	passes     int
	acts       int
	log        []string
	broken     string
	// hurried are the pods of which a guess may be early: see checker.hurries.
	hurried map[types.UID]bool
	// begun are the pods that were patched out of service and are not back.
	begun map[types.UID]bool
	// brought is how pods came to the revision that they are at.
	brought map[types.UID]bringing
	// shaken are pods whose node was lost: their containers may be restarted by anybody. edited are pods whose image or
	// state somebody set by hand: nobody knows what they are to run.
	shaken, edited map[types.UID]bool
	// resized are pods whose resources somebody has changed by hand: they stay so.
	resized map[types.UID]bool
	// garbled are pods whose state somebody has overwritten: which containers were still to be patched is lost with it.
	garbled map[types.UID]bool
	// publishes tells that the Service sends traffic to pods that are not ready, by its owner's will.
	publishes bool
	// undated tells that the kubelets report no generation. The restart after a slow pull cannot be told from none then,
	// and a pod may be counted updated too early.
	undated bool
}

// set returns the CloneSet as it is.
func (r *run) set() *appsv1beta1.CloneSet { return r.sets[len(r.sets)-1] }

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
	r.follow()
	return true
}

// follow has the controller, the garbage collection and who handles the hooks follow what has happened.
func (r *run) follow() {
	changed := r.claimsMatter()
	if n := len(r.world.Events(0)); n > r.events {
		r.events, changed = n, true
		r.handleHooks()
		r.collectClaims()
		r.budgets.count()
	}
	if n := len(r.budgets.versions); n > r.budgetEvents {
		r.budgetEvents, changed = n, true
	}
	if changed {
		r.wake(time.Duration(r.rng.Int64N(int64(coalescing))))
	}
}

// claimsMatter tells whether there are changes of claims that ask for a pass.
func (r *run) claimsMatter() bool {
	changed := len(r.claims.log) > r.claimEvents
	r.claimEvents = len(r.claims.log)
	return changed
}

func (r *run) collectClaims() {
	if len(r.claims.byName) == 0 || r.collecting {
		return
	}
	r.collecting = true
	r.world.After(time.Duration(r.rng.IntN(1500))*time.Millisecond, func() {
		r.collecting = false
		r.claims.collect(r.world, r.set().UID)
	})
}

// wake has a pass done after a while, unless one is due sooner.
func (r *run) wake(after time.Duration) {
	at := r.world.Now().Add(after)
	if r.due.IsZero() || at.Before(r.due) {
		r.due = at
	}
}

// retry has a pass done after a failure, later after each further one.
func (r *run) retry() {
	r.retries++
	r.wake(min(5*time.Millisecond<<r.retries, 10*time.Second))
}

// pass is one pass of the manager, as the reconciler does it.
func (r *run) pass() {
	m := r.manager
	m.catchUp(r.lag)
	if m.lags() {
		r.wake(coalescing) // The events that the caches have not seen yet are still to come.
	}
	if !m.isFresh() {
		return
	}
	r.passes++
	in := m.observe()
	p := r.compute(in)
	m.ledger.SeePlan(in.Set.UID, in.Revisions.Update.Name, p.Waiting, in.Now)
	failures := r.retries
	check := r.newChecker(m, &in, &p)
	shuffle(r.rng, p.Actions)
	if r.late.pending {
		r.handOver(check, &in, &p)
		return
	}
	if !m.apply(p.Actions, check) {
		r.note("the manager dies")
		r.restart()
		return
	}
	check.status(&p.Status)
	m.report(in.Set, &p.Status)
	if p.Wake > 0 {
		r.wake(p.Wake)
	}
	if failures == r.retries {
		r.retries = 0
	}
}

// restart begins a new life of the manager.
func (r *run) restart() {
	r.manager = newManager(r)
	r.retries = 0
	r.wake(time.Second)
}

// edit changes the CloneSet, as a user does, if the API server allows it.
func (r *run) edit(what string, change func(*appsv1beta1.CloneSetSpec)) {
	next := r.set().DeepCopy()
	change(&next.Spec)
	if len(plan.Validate(next)) > 0 || apiequality.Semantic.DeepEqual(next.Spec, r.set().Spec) {
		return
	}
	next.Generation++
	r.noteDigests(&next.Spec)
	r.sets = append(r.sets, next)
	r.note("%s", what)
	r.wake(0)
}

// note adds a line to what is printed when an invariant breaks.
func (r *run) note(format string, args ...any) {
	at := r.world.Now().Sub(begins())
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

func equalStatus(a, b *appsv1beta1.CloneSetStatus) bool { return apiequality.Semantic.DeepEqual(a, b) }

func compare(a, b string) int { return strings.Compare(a, b) }

// owned returns the pods of the CloneSet that neither terminate nor have ended.
func (r *run) owned() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range r.world.Pods() {
		if metav1.IsControlledBy(pod, r.set()) && isAlive(pod) && !inplace.IsRehearsal(pod) {
			pods = append(pods, pod)
		}
	}
	return pods
}
