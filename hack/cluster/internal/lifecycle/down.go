package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/node"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

const (
	// orderlyTimeout is how long the supervisor may take to stop its components one by one.
	orderlyTimeout = 15 * time.Second
	// killTimeout is how long the kernel may take to end what was killed.
	killTimeout = 10 * time.Second
)

// Down stops a cluster, if it is up, and removes everything that it made: processes, mounts, network devices,
// namespaces, control groups and files.
func Down(ctx context.Context, dir state.Dir) error {
	operation, err := dir.LockOperation()
	if err != nil {
		return err
	}
	defer operation.Close()
	return destroy(ctx, dir)
}

// destroy removes the files last: containers write to them until their control groups are gone.
func destroy(ctx context.Context, dir state.Dir) error {
	if err := stop(ctx, dir); err != nil {
		return err
	}
	return dir.Clear()
}

// stop ends all processes of a cluster and removes what they leave outside the cluster's directory.
func stop(ctx context.Context, dir state.Dir) error {
	status, err := running(dir)
	if err != nil {
		return err
	}
	if status != nil {
		if err := end(ctx, dir, status); err != nil {
			return fmt.Errorf("stopping cluster %s: %w", dir.Name(), err)
		}
	}
	return node.Cleanup(ctx, dir.ID())
}

// end asks the supervisor first. The process ID is not another's by now: while the cluster's lock is held, a process of
// its group lives, and no new process gets the ID of a group.
func end(ctx context.Context, dir state.Dir, status *state.Status) error {
	orderly, cancel := context.WithTimeout(ctx, orderlyTimeout)
	defer cancel()
	if syscall.Kill(status.Supervisor, syscall.SIGTERM) == nil {
		if err := dir.AwaitStopped(orderly); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	if err := kill(status); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	killed, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	return dir.AwaitStopped(killed)
}

// kill ends the first process of the namespaces, and with it all others, or else the group of ordinary processes.
func kill(status *state.Status) error {
	if status.Spec.Node == state.NodeReal {
		return syscall.Kill(status.Supervisor, syscall.SIGKILL)
	}
	return syscall.Kill(-status.Supervisor, syscall.SIGKILL)
}
