package lifecycle

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/insitu-dev/insitu/hack/cluster/internal/node"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
	"github.com/insitu-dev/insitu/hack/cluster/internal/supervisor"
)

// Arguments of this program that run the inner parts of a cluster.
const (
	// InitCommand runs as the first process of a cluster with namespaces of its own.
	InitCommand = "init"
	// SuperviseCommand runs the supervisor.
	SuperviseCommand = "supervise"
)

// launch starts the supervisor as a process that outlives this one, and returns when it reports that it is ready.
func launch(ctx context.Context, o *Options, spec *state.Spec) error {
	lock, err := lockForStart(ctx, o.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	report, reportWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	defer report.Close()
	defer reportWriter.Close()
	cmd, err := supervisorCommand(spec, lock.File, reportWriter)
	if err != nil {
		return err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	if err := errors.Join(reportWriter.Close(), instruct(stdin, spec, cmd.Process.Pid)); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	defer context.AfterFunc(ctx, func() { report.Close() })()
	return follow(ctx, o, report)
}

// lockForStart has some patience, because those who ask for the status hold the lock for a moment too.
func lockForStart(ctx context.Context, dir state.Dir) (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	lock, err := dir.AwaitRunning(ctx)
	if err != nil {
		return nil, fmt.Errorf("processes of an earlier cluster %s are still there: %w", dir.Name(), err)
	}
	return lock, nil
}

func supervisorCommand(spec *state.Spec, lock, report *os.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(spec.Dir.Path("logs"), 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(spec.Dir.Log("supervisor"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, SuperviseCommand)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.Node == state.NodeReal {
		cmd = exec.Command(self, InitCommand)
		node.Isolate(cmd)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock, report}
	return cmd, nil
}

// instruct connects the new process to this machine and tells it what to run, which it waits for.
func instruct(stdin io.WriteCloser, spec *state.Spec, pid int) error {
	defer stdin.Close()
	if spec.Node == state.NodeReal {
		var err error
		if spec.Address, spec.Peer, err = node.Connect(spec.Dir.ID(), pid); err != nil {
			return err
		}
	}
	status := &state.Status{Supervisor: pid, Spec: *spec, Components: map[string]int{}, Dead: map[string]string{}}
	if err := spec.Dir.WriteStatus(status); err != nil {
		return err
	}
	return json.NewEncoder(stdin).Encode(status)
}

// follow shows the steps of the start, up to the last. Without one, the report ends with the supervisor.
func follow(ctx context.Context, o *Options, report io.Reader) error {
	begun := o.Now()
	lines := bufio.NewScanner(report)
	last := ""
	for last != supervisor.Ready && lines.Scan() {
		last = lines.Text()
		fmt.Fprintf(o.Progress, "%5.1fs %s\n", o.Now().Sub(begun).Seconds(), last)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case last == supervisor.Ready:
		return nil
	case strings.HasPrefix(last, "error: "):
		return fmt.Errorf("cluster %s did not start: %s", o.Dir.Name(), strings.TrimPrefix(last, "error: "))
	default:
		return fmt.Errorf("cluster %s did not start: see %s", o.Dir.Name(), o.Dir.Log("supervisor"))
	}
}
