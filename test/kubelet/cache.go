package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
)

// Cache is a client's view of a World that lags behind it by as much as the client likes. It never goes back. It is not
// safe for concurrent use.
type Cache struct {
	world     *World
	seen      uint64
	pods      map[string]*corev1.Pod
	endpoints map[types.UID]Endpoint
}

// NewCache returns a cache that has seen nothing yet.
func (w *World) NewCache() *Cache {
	return &Cache{world: w, pods: map[string]*corev1.Pod{}, endpoints: map[types.UID]Endpoint{}}
}

// CatchUp takes in everything that has happened.
func (c *Cache) CatchUp() { c.CatchUpBut(0) }

// CatchUpBut takes in everything but the newest n events.
func (c *Cache) CatchUpBut(n int) {
	missed := c.world.Events(c.seen)
	for _, e := range missed[:max(len(missed)-n, 0)] {
		c.apply(e)
	}
}

// CatchUpTo takes in what happened until that time.
func (c *Cache) CatchUpTo(until time.Time) {
	for _, e := range c.world.Events(c.seen) {
		if e.At.After(until) {
			return
		}
		c.apply(e)
	}
}

// Lag returns how many events the cache has not seen.
func (c *Cache) Lag() int { return len(c.world.Events(c.seen)) }

// Pods returns the pods as far as they were seen, sorted by name.
func (c *Cache) Pods() []*corev1.Pod { return sortedPods(c.pods) }

// Pod returns a pod by its name, nil if none was seen.
func (c *Cache) Pod(name string) *corev1.Pod { return c.pods[name] }

// ServingEndpoints returns the pods whose endpoint was last seen serving.
func (c *Cache) ServingEndpoints() sets.Set[types.UID] {
	serving := sets.New[types.UID]()
	for uid, e := range c.endpoints {
		if e.Serving {
			serving.Insert(uid)
		}
	}
	return serving
}

// Endpoint returns the entry of a pod as it was last seen; false means none.
func (c *Cache) Endpoint(pod types.UID) (Endpoint, bool) {
	endpoint, listed := c.endpoints[pod]
	return endpoint, listed
}

func (c *Cache) apply(e Event) {
	c.seen = e.Seq
	switch {
	case e.Pod != nil && e.Type == watch.Deleted:
		delete(c.pods, e.Pod.Name)
	case e.Pod != nil:
		c.pods[e.Pod.Name] = e.Pod
	case e.Type == watch.Deleted:
		delete(c.endpoints, e.Endpoint.UID)
	default:
		c.endpoints[e.Endpoint.UID] = *e.Endpoint
	}
}
