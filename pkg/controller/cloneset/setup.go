package cloneset

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

const (
	// workers is how many CloneSets are worked on at a time. One CloneSet has never more than one pass.
	workers = 8
	// passTimeout bounds one pass; its calls are cancelled then.
	passTimeout = 2 * time.Minute
	// A failed pass is tried again after a time that doubles between these.
	minBackoff, maxBackoff = 5 * time.Millisecond, 30 * time.Second
)

// Setup adds the controller of CloneSets to a manager.
func Setup(ctx context.Context, mgr manager.Manager, registry prometheus.Registerer, now clock.PassiveClock) error {
	stores, err := observe.NewStores(ctx, mgr.GetCache())
	if err != nil {
		return err
	}
	metrics, err := NewMetrics(registry)
	if err != nil {
		return err
	}
	r := &Reconciler{
		observer: &observe.Observer{
			Stores: stores, Live: mgr.GetAPIReader(), Tracker: observe.NewTracker(), Clock: now,
		},
		freshness: observe.NewFreshness(stores),
		revisions: &revision.Keeper{Client: mgr.GetClient(), Live: mgr.GetAPIReader()},
		executor:  &apply.Executor{Client: mgr.GetClient()},
		recorder:  mgr.GetEventRecorder(appsv1beta1.FieldOwner),
		metrics:   metrics,
		clock:     now,
	}
	if err := setupStragglers(mgr, r.executor, now); err != nil {
		return err
	}
	return builder.ControllerManagedBy(mgr).
		Named("cloneset").
		For(&appsv1beta1.CloneSet{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: r.matters, DeleteFunc: r.forget})).
		Watches(&corev1.Pod{}, r.podHandler()).
		Watches(&appsv1.ControllerRevision{}, r.revisionHandler()).
		Watches(&discoveryv1.EndpointSlice{}, r.sliceHandler()).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   passTimeout,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				minBackoff, maxBackoff),
		}).
		Complete(r)
}
