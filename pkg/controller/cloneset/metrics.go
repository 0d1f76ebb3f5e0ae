package cloneset

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Metrics are the controller's own metrics, beside those that controller-runtime has of every controller.
type Metrics struct {
	actions *prometheus.CounterVec
	passes  prometheus.Histogram
	stale   prometheus.Counter
	phases  *prometheus.HistogramVec
	// restarts are those that updates made.
	restarts *prometheus.CounterVec
}

// NewMetrics returns metrics that are registered with a registry. Several managers of one process share them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	actions, errActions := register(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "insitu_actions_total",
		Help: "API calls made for CloneSets, by kind of action and result (success, error).",
	}, []string{"kind", "result"}))
	passes, errPasses := register(registry, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "insitu_planning_seconds",
		Help:    "Time from the beginning of a pass until its plan is made, in seconds.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
	}))
	stale, errStale := register(registry, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "insitu_stale_passes_total",
		Help: "Passes that ended at once, because the cache did not yet hold what was written before.",
	}))
	phases, errPhases := register(registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "insitu_update_phase_seconds",
		Help:    "Time of in-place updates of pods, by phase (Rehearse, Drain, Stop, Start, Ready, Endpoints, OutOfService), in seconds.",
		Buckets: prometheus.ExponentialBuckets(0.05, 2, 14),
	}, []string{"phase"}))
	restarts, errRestarts := register(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "insitu_planned_restarts_total",
		Help: "Restarts of containers that were made by in-place updates, by CloneSet.",
	}, []string{"namespace", "cloneset"}))
	return &Metrics{
		actions: actions, passes: passes, stale: stale, phases: phases, restarts: restarts,
	}, errors.Join(errActions, errPasses, errStale, errPhases, errRestarts)
}

// register registers a collector and returns it, or the equal one that was registered before.
func register[T prometheus.Collector](registry prometheus.Registerer, collector T) (T, error) {
	err := registry.Register(collector)
	if registered, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := registered.ExistingCollector.(T); ok {
			return existing, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("metrics: %w", err)
	}
	return collector, nil
}

func (m *Metrics) computed(took time.Duration) { m.passes.Observe(took.Seconds()) }

func (m *Metrics) performed(results []apply.Result) {
	for i := range results {
		result := "success"
		if results[i].Err != nil {
			result = "error"
		}
		m.actions.WithLabelValues(string(results[i].Kind), result).Inc()
	}
}

// took counts an update that is over. Nil is none.
func (m *Metrics) took(took inplace.Took) {
	for phase, d := range took {
		m.phases.WithLabelValues(string(phase)).Observe(d.Seconds())
	}
}

// planned counts restarts that updates of a CloneSet made. With none it has the count begin: of a counter that appears with
// the first restart, nobody sees that restart.
func (m *Metrics) planned(set types.NamespacedName, restarts int) {
	m.restarts.WithLabelValues(set.Namespace, set.Name).Add(float64(restarts))
}

// forget ends the count of a CloneSet that is gone.
func (m *Metrics) forget(set types.NamespacedName) {
	m.restarts.DeleteLabelValues(set.Namespace, set.Name)
}
