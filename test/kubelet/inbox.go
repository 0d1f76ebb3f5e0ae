package kubelet

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// letter is the newest news of one pod.
type letter struct {
	pod     *corev1.Pod
	deleted bool
}

// inbox holds the newest letter of each pod in the order of the first arrival.
type inbox struct {
	mu      sync.Mutex
	order   []types.UID
	letters map[types.UID]letter
	// filled has a token while there are letters.
	filled chan struct{}
}

func newInbox() *inbox {
	return &inbox{letters: map[types.UID]letter{}, filled: make(chan struct{}, 1)}
}

func (b *inbox) put(pod *corev1.Pod, deleted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, waiting := b.letters[pod.UID]; !waiting {
		b.order = append(b.order, pod.UID)
	}
	b.letters[pod.UID] = letter{pod: pod, deleted: deleted}
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := make([]letter, 0, len(b.order))
	for _, uid := range b.order {
		taken = append(taken, b.letters[uid])
	}
	b.order = nil
	clear(b.letters)
	return taken
}
