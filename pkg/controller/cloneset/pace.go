package cloneset

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// paceFactor is how many times the length of a pass its CloneSet is left alone after it, so that a rollout of N pods,
	// with some events a pod and a pass that costs O(N), does not cost N squared.
	paceFactor = 10
	maxPause   = 500 * time.Millisecond
)

// pace spreads the passes of each CloneSet.
type pace struct {
	mu   sync.Mutex
	next map[types.NamespacedName]time.Time
}

// left returns for how long a CloneSet is still to be left alone.
func (p *pace) left(key types.NamespacedName, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[key].Sub(now)
}

// ended takes note of a pass that took some time and has just ended.
func (p *pace) ended(key types.NamespacedName, took time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = map[types.NamespacedName]time.Time{}
	}
	p.next[key] = now.Add(min(took*paceFactor, maxPause))
}

func (p *pace) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, key)
}
