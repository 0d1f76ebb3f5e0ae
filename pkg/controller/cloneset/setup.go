package cloneset

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
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

// Parts are what a Reconciler is made of.
type Parts struct {
	// Stores are the caches.
	Stores observe.Stores
	// Client writes, and Live reads past the caches.
	Client client.Client
	Live   client.Reader
	// Compute makes the plans: it is plan.Compute.
	Compute func(plan.Input) plan.Plan
	// Parallel is how many calls are made at a time for one CloneSet.
	Parallel int
	Recorder events.EventRecorder
	Metrics  *Metrics
	Clock    clock.PassiveClock
}

// New returns a Reconciler that remembers nothing yet.
func New(parts *Parts) *Reconciler {
	return &Reconciler{
		observer: &observe.Observer{
			Stores: parts.Stores, Live: parts.Live, Tracker: observe.NewTracker(), Ledger: observe.NewLedger(),
			Clock: parts.Clock,
		},
		freshness: observe.NewFreshness(parts.Stores),
		revisions: &revision.Keeper{Client: parts.Client, Live: parts.Live},
		compute:   parts.Compute,
		executor:  &apply.Executor{Client: parts.Client, Parallel: parts.Parallel},
		recorder:  parts.Recorder,
		metrics:   parts.Metrics,
		clock:     parts.Clock,
	}
}

// Handlers take note of what the caches hear, and ask for the passes that it calls for.
type Handlers struct {
	// Sets lets those events of CloneSets through that call for a pass.
	Sets predicate.Predicate
	// Heirs hear of CloneSets, too.
	Heirs                           handler.EventHandler
	Pods, Claims, Revisions, Slices handler.EventHandler
	Budgets                         handler.EventHandler
}

// Handlers returns the handlers that a Reconciler needs to have fed.
func (r *Reconciler) Handlers() Handlers {
	return Handlers{
		Sets:  predicate.Funcs{UpdateFunc: r.matters, DeleteFunc: r.forget},
		Heirs: r.heirHandler(),
		Pods:  r.podHandler(), Claims: claimHandler(), Revisions: r.revisionHandler(), Slices: r.sliceHandler(),
		Budgets: r.budgetHandler(),
	}
}

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
	r := New(&Parts{
		Stores: stores, Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Compute: plan.Compute, Parallel: apply.Parallel,
		Recorder: mgr.GetEventRecorder(appsv1beta1.FieldOwner), Metrics: metrics, Clock: now,
	})
	if err := setupStragglers(mgr, r.executor, stores, now); err != nil {
		return err
	}
	handlers := r.Handlers()
	return builder.ControllerManagedBy(mgr).
		Named("cloneset").
		For(&appsv1beta1.CloneSet{}, builder.WithPredicates(handlers.Sets)).
		Watches(&appsv1beta1.CloneSet{}, handlers.Heirs).
		Watches(&corev1.Pod{}, handlers.Pods).
		Watches(&corev1.PersistentVolumeClaim{}, handlers.Claims).
		Watches(&appsv1.ControllerRevision{}, handlers.Revisions).
		Watches(&discoveryv1.EndpointSlice{}, handlers.Slices).
		Watches(&policyv1.PodDisruptionBudget{}, handlers.Budgets).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   passTimeout,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				minBackoff, maxBackoff),
		}).
		Complete(r)
}
