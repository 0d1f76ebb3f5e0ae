// Package rollout measures what the update of a workload costs: how long how many of its pods were out of service, and
// what became of the pods. All of it is computed from what the API server tells, in the same way for every kind.
package rollout

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Pods is a set of pods by UID.
type Pods = sets.Set[types.UID]

// Outage adds up the time that pods were missing from a Service during a rollout. Times must not go back.
type Outage struct {
	replicas int
	begin    time.Time
	last     time.Time
	serving  Pods
	vacant   []time.Time
	missing  time.Duration
	gaps     []time.Duration
}

// NewOutage begins at a time when the given pods are in service, of as many as replicas says.
func NewOutage(t time.Time, replicas int, serving Pods) *Outage {
	return &Outage{replicas: replicas, begin: t, last: t, serving: serving.Clone()}
}

// Observe says which pods are in service from t on.
func (o *Outage) Observe(t time.Time, serving Pods) {
	o.missing += time.Duration(max(0, o.replicas-o.serving.Len())) * t.Sub(o.last)
	o.last = t
	for range o.serving.Difference(serving) {
		o.vacant = append(o.vacant, t)
	}
	for range serving.Difference(o.serving) {
		o.fill(t)
	}
	o.serving = serving.Clone()
}

// fill ends the oldest vacancy. A pod's return and a replacement's arrival count alike: what a client misses is a pod
// that answers, whichever it is.
func (o *Outage) fill(t time.Time) {
	if len(o.vacant) == 0 {
		return
	}
	o.gaps = append(o.gaps, t.Sub(o.vacant[0]))
	o.vacant = o.vacant[1:]
}

// Cost is what a rollout cost in time.
type Cost struct {
	// Elapsed is the time from the beginning to the end of the rollout.
	Elapsed time.Duration
	// PodTime is the integral of max(0, replicas - pods in service) over Elapsed.
	PodTime time.Duration
	// MedianOut and LongestOut are of the times that one pod was out of service until it, or the pod in its place, was
	// back. They are 0 when none was.
	MedianOut, LongestOut time.Duration
}

// Cost returns the cost until t. It does not end the measurement.
func (o *Outage) Cost(t time.Time) Cost {
	gaps := slices.Clone(o.gaps)
	for _, since := range o.vacant {
		gaps = append(gaps, t.Sub(since))
	}
	slices.Sort(gaps)
	cost := Cost{
		Elapsed: t.Sub(o.begin),
		PodTime: o.missing + time.Duration(max(0, o.replicas-o.serving.Len()))*t.Sub(o.last),
	}
	if n := len(gaps); n > 0 {
		cost.LongestOut = gaps[n-1]
		cost.MedianOut = (gaps[(n-1)/2] + gaps[n/2]) / 2
	}
	return cost
}
