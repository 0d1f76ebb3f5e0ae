package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/components"
)

// process is a component that was started.
type process struct {
	name string
	cmd  *exec.Cmd
	// done is closed once the process ended; err says how.
	done chan struct{}
	err  error
}

// start runs a component with its output in the log. All processes share the lock, so that it is held until the last of
// them is gone.
func start(c components.Component, log string, lock *os.File, env []string, attr *syscall.SysProcAttr) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env, cmd.ExtraFiles, cmd.SysProcAttr = env, []*os.File{lock}, attr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	p := &process{name: c.Name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop asks the process to end, and makes it when it takes longer than the timeout.
func (p *process) stop(timeout time.Duration) {
	// An error means that it ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(timeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// ending describes how the process ended.
func (p *process) ending() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}
