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
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// staleRetry is when a pass is tried again whose caches were behind, should the event that brings them up be lost.
const staleRetry = 5 * time.Second

// Reconciler brings CloneSets to what their specs ask for.
type Reconciler struct {
	observer  *observe.Observer
	freshness *observe.Freshness
	revisions *revision.Keeper
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
	if !r.freshness.IsFresh(req.NamespacedName) {
		r.metrics.stale.Inc()
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	in, err := r.observe(ctx, set)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := plan.Compute(in)
	r.planned(req.NamespacedName, start)
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

func (r *Reconciler) planned(key types.NamespacedName, start time.Time) {
	now := r.clock.Now()
	took := now.Sub(start)
	r.metrics.planned(took)
	r.pace.ended(key, took, now)
}

// observe makes the snapshot, and the revision of the template where there is none yet.
func (r *Reconciler) observe(ctx context.Context, set *appsv1beta1.CloneSet) (plan.Input, error) {
	history, err := r.observer.History(set)
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
	}
	if !isExpected(err) {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// account takes note of what came of one action and returns the error that the pass fails with.
func (r *Reconciler) account(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	if result.Err == nil {
		log.FromContext(ctx).Info(string(result.Kind), "object", result.Name(), "why", result.Why)
	}
	switch {
	case result.Kind == plan.CreatePod:
		return r.accountCreate(ctx, set, result)
	case result.Err != nil:
		if isExpected(result.Err) {
			return nil
		}
		return result.Err
	case result.Kind == plan.DeleteRevision:
		r.revisions.Forget(result.Revision.UID)
	case result.Verb == plan.VerbDelete:
		r.freshness.DeletedPod(keyOf(set), result.Pod)
	default:
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
	}
	return nil
}

func (r *Reconciler) accountCreate(ctx context.Context, set *appsv1beta1.CloneSet, result *apply.Result) error {
	if result.Err == nil {
		r.observer.Tracker.SeeCreateError(set.UID, "")
		r.freshness.WrotePod(keyOf(set), result.ResourceVersion)
		return nil
	}
	if !apierrors.IsAlreadyExists(result.Err) {
		r.observer.Tracker.SeeCreateError(set.UID, result.Err.Error())
		return result.Err
	}
	// Either an earlier call made it whose answer was lost, or the name is somebody else's.
	rv, err := r.observer.Identify(ctx, set, result.Pod.Name)
	if rv != "" {
		r.freshness.WrotePod(keyOf(set), rv)
	}
	return err
}

// isExpected tells whether an error means that the world moved on: the next pass sees it as it is now.
func isExpected(err error) bool {
	return err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}

func keyOf(set *appsv1beta1.CloneSet) types.NamespacedName {
	return types.NamespacedName{Namespace: set.Namespace, Name: set.Name}
}
