// Package cloneset is the controller of CloneSets. One pass is: are the caches fresh? observe, plan, apply, report.
package cloneset

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// staleRetry is when a pass is tried again whose caches were behind, should the event that brings them up be lost.
const staleRetry = 5 * time.Second

// statusRetry is when a pass is made again whose status was not taken, because the CloneSet had changed since it was read.
// Not every change brings an event that starts a pass.
const statusRetry = time.Second

// Reconciler brings CloneSets to what their specs ask for.
type Reconciler struct {
	observer  *observe.Observer
	freshness *observe.Freshness
	revisions *revision.Keeper
	compute   func(plan.Input) plan.Plan
	executor  *apply.Executor
	recorder  events.EventRecorder
	metrics   *Metrics
	clock     clock.PassiveClock
	pace      pace
}

// Reconcile does one pass for one CloneSet.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	start := r.clock.Now()
	if left := r.pace.left(req.NamespacedName, start); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	set := r.get(req.NamespacedName)
	if set == nil || set.DeletionTimestamp != nil {
		return reconcile.Result{}, nil
	}
	if err := r.settle(ctx, req.NamespacedName); err != nil {
		return reconcile.Result{}, err
	}
	if !r.freshness.IsFresh(req.NamespacedName) {
		r.metrics.stale.Inc()
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	in, err := r.observe(ctx, set)
	if errors.Is(err, observe.ErrOutdated) {
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	p := r.compute(in)
	r.dropUnneeded(&in, &p)
	r.planned(&in, &p, start)
	err = r.apply(ctx, &in, &p)
	return reconcile.Result{RequeueAfter: p.Wake}, err
}

// get returns a CloneSet from the cache, not to be changed, or nil.
func (r *Reconciler) get(key types.NamespacedName) *appsv1beta1.CloneSet {
	object, _, err := r.observer.Stores.Sets.GetByKey(key.String())
	if err != nil {
		return nil
	}
	set, _ := object.(*appsv1beta1.CloneSet)
	return set
}

func (r *Reconciler) planned(in *plan.Input, p *plan.Plan, start time.Time) {
	key, now := keyOf(in.Set), r.clock.Now()
	took := now.Sub(start)
	r.metrics.computed(took)
	r.metrics.planned(key, 0)
	r.pace.ended(key, took, now)
	r.observer.Ledger.SeePlan(in.Set.UID, in.Revisions.Update.Name, p.Waiting, in.Now)
}

// observe makes the snapshot, and the revision of the template where there is none yet.
func (r *Reconciler) observe(ctx context.Context, set *appsv1beta1.CloneSet) (plan.Input, error) {
	if err := r.observer.AwaitOrphans(ctx, set); err != nil {
		return plan.Input{}, err
	}
	history, err := r.observer.History(ctx, set)
	if err != nil {
		return plan.Input{}, err
	}
	if len(plan.Validate(set)) > 0 {
		return plan.Input{Set: set, Now: r.clock.Now()}, nil
	}
	revisions, wrote, err := r.revisions.Resolve(ctx, set, history)
	if err != nil {
		return plan.Input{}, err
	}
	if wrote != "" {
		r.freshness.WroteRevision(keyOf(set), wrote)
	}
	return r.observer.Observe(ctx, set, revisions)
}

// apply performs a plan and reports it. Users hear of an action only after it succeeded.
func (r *Reconciler) apply(ctx context.Context, in *plan.Input, p *plan.Plan) error {
	results := r.executor.Do(ctx, p.Actions)
	var failures []error
	for i := range results {
		failures = append(failures, r.account(ctx, in.Set, &results[i]))
	}
	r.metrics.performed(results)
	record(r.recorder, in.Set, results)
	wrote, err := r.executor.Status(ctx, in.Set, &p.Status)
	if wrote != "" {
		r.freshness.WroteSet(keyOf(in.Set), wrote)
		announce(r.recorder, in.Set, &p.Status)
	}
	switch {
	case apierrors.IsConflict(err):
		p.Wake = inplace.Sooner(p.Wake, statusRetry)
	case !isExpected(err):
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
