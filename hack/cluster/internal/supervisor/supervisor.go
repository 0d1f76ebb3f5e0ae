// Package supervisor runs the components of one cluster: it starts them in order, says when they are ready, watches
// them, and stops them in order. It restarts nothing; a component that ends on its own is reported.
package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/components"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

const (
	// readyTimeout bounds each wait during the start.
	readyTimeout = 2 * time.Minute
	// stopTimeout is how long a component may take to end before it is killed.
	stopTimeout = 3 * time.Second
)

// Ready is the last line of a successful start on Supervisor.Report.
const Ready = "ready"

// Supervisor runs one cluster. The exported fields are required.
type Supervisor struct {
	// Status starts with the process and the specification, and is completed and written to disk along the way.
	Status *state.Status
	// Lock is held by this process and handed on to all components.
	Lock *os.File
	// Report gets one line for each step of the start. It is closed when the cluster is ready.
	Report io.WriteCloser
	// Now tells the time from which on certificates are valid.
	Now func() time.Time

	mu        sync.Mutex
	processes []*process
	stopping  bool
	// fail ends the start when a component ends on its own.
	fail context.CancelCauseFunc
}

// Run starts the cluster and returns when the context ended and everything was stopped, or when the start failed.
func (s *Supervisor) Run(ctx context.Context) error {
	// The components end with the thread that started them, so it must be this one.
	runtime.LockOSThread()
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.fail = cancel
	defer s.stopAll()
	if err := s.startAll(starting); err != nil {
		s.report("error: %v", err)
		return err
	}
	s.report(Ready)
	if err := s.Report.Close(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (s *Supervisor) startAll(ctx context.Context) error {
	if err := components.WriteFiles(s.spec(), s.Now()); err != nil {
		return err
	}
	if err := s.start(components.Etcd(s.spec())); err != nil {
		return err
	}
	if err := s.startRuntime(ctx); err != nil {
		return err
	}
	api, err := s.startAPI(ctx)
	if err != nil {
		return err
	}
	return s.startClients(ctx, api)
}

func (s *Supervisor) startRuntime(ctx context.Context) error {
	if s.spec().Node != state.NodeReal {
		return nil
	}
	if err := startRegistry(ctx, s.spec()); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return s.start(components.Containerd(s.spec()))
}

func (s *Supervisor) startAPI(ctx context.Context) (*components.API, error) {
	if err := s.await(ctx, "etcd", components.EtcdReady(s.spec())); err != nil {
		return nil, err
	}
	if err := s.start(components.APIServer(s.spec())); err != nil {
		return nil, err
	}
	api, err := components.NewAPI(s.spec())
	if err != nil {
		return nil, err
	}
	return api, s.await(ctx, "API server", api.Ready)
}

func (s *Supervisor) startClients(ctx context.Context, api *components.API) error {
	clients := []components.Component{components.ControllerManager(s.spec()), components.Scheduler(s.spec())}
	if s.spec().Node == state.NodeReal {
		if err := s.await(ctx, "containerd", components.ContainerdReady); err != nil {
			return err
		}
		clients = append(clients, components.Kubelet(s.spec()), components.Proxy(s.spec()))
	}
	for _, c := range clients {
		if err := s.start(c); err != nil {
			return err
		}
	}
	if err := s.await(ctx, "controller manager", api.Usable); err != nil {
		return err
	}
	if s.spec().Node != state.NodeReal {
		return nil
	}
	return s.await(ctx, "node", api.NodeReady)
}

func (s *Supervisor) start(c components.Component) error {
	env, attr := os.Environ(), processAttributes()
	if s.spec().Node == state.NodeReal {
		env = append(env, "PATH="+components.SearchPath(s.spec(), os.Getenv("PATH")))
	}
	p, err := start(c, s.spec().Dir.Log(c.Name), s.Lock, env, attr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes = append(s.processes, p)
	s.Status.Components[c.Name] = p.cmd.Process.Pid
	go s.watch(p)
	return s.spec().Dir.WriteStatus(s.Status)
}

// watch records a component that ends before it is told to.
func (s *Supervisor) watch(p *process) {
	<-p.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.Status.Dead[p.name] = p.ending()
	err := fmt.Errorf("%s ended on its own: %s, see %s", p.name, p.ending(), s.spec().Dir.Log(p.name))
	fmt.Fprintln(os.Stderr, err)
	s.fail(err)
	if err := s.spec().Dir.WriteStatus(s.Status); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (s *Supervisor) await(ctx context.Context, what string, probe components.Probe) error {
	begun := s.Now()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := components.Await(ctx, probe); err != nil {
		return fmt.Errorf("%s did not get ready: %w", what, err)
	}
	s.report("%s ready after %s", what, s.Now().Sub(begun).Round(100*time.Millisecond))
	return nil
}

// stopAll stops in the opposite order of the start: an API server without etcd would hang.
func (s *Supervisor) stopAll() {
	s.mu.Lock()
	s.stopping = true
	processes := slices.Clone(s.processes)
	s.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.stop(stopTimeout)
	}
}

// report goes to the log too. Nobody may be listening any more, which must not stop the cluster.
func (s *Supervisor) report(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, line)
	fmt.Fprintln(s.Report, line)
}

func (s *Supervisor) spec() *state.Spec { return &s.Status.Spec }
