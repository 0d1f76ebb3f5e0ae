package harness

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/insitu-dev/insitu/pkg/controller"
)

// Manager is a manager that runs in this process, as it would in one of its own.
type Manager struct {
	cancel  context.CancelFunc
	elected <-chan struct{}
	ended   chan struct{}
	err     error
}

// StartManager starts a manager for a cluster. With a namespace for the lease it waits to be elected, otherwise it works
// at once. It runs until it is stopped.
func StartManager(ctx context.Context, config *rest.Config, leaseNamespace string) (*Manager, error) {
	ctx, cancel := context.WithCancel(ctx)
	manager, err := controller.NewManager(ctx, config, &controller.Options{
		LeaderElect: leaseNamespace != "", LeaderElectionNamespace: leaseNamespace,
		HealthAddress: "0", MetricsAddress: "0",
	})
	if err != nil {
		cancel()
		return nil, err
	}
	m := &Manager{cancel: cancel, elected: manager.Elected(), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		m.err = manager.Start(ctx)
	}()
	return m, nil
}

// Elected is closed when the manager works.
func (m *Manager) Elected() <-chan struct{} { return m.elected }

// Stop ends the manager, and returns when it has written for the last time. It may be called more than once.
func (m *Manager) Stop() error {
	m.cancel()
	<-m.ended
	return m.err
}

// SharedManager is one manager for tests that run at the same time: two would get in each other's way.
type SharedManager struct {
	mu      sync.Mutex
	users   int
	manager *Manager
}

// Use returns when the manager was started. It is stopped when the last user calls release.
func (s *SharedManager) Use(ctx context.Context, config *rest.Config) (release func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		if s.manager, err = StartManager(ctx, config, ""); err != nil {
			return nil, fmt.Errorf("starting the manager: %w", err)
		}
	}
	s.users++
	return s.release, nil
}

func (s *SharedManager) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.manager.Stop()
}
