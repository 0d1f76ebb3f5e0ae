package cloneset

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
)

// Metrics are the controller's own metrics, beside those that controller-runtime has of every controller.
type Metrics struct {
	actions *prometheus.CounterVec
	passes  prometheus.Histogram
	stale   prometheus.Counter
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
	return &Metrics{actions: actions, passes: passes, stale: stale}, errors.Join(errActions, errPasses, errStale)
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

func (m *Metrics) planned(took time.Duration) { m.passes.Observe(took.Seconds()) }

func (m *Metrics) performed(results []apply.Result) {
	for i := range results {
		result := "success"
		if results[i].Err != nil {
			result = "error"
		}
		m.actions.WithLabelValues(string(results[i].Kind), result).Inc()
	}
}
