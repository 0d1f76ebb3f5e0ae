package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const runningLock = "running.lock"

// Lock is a lock on a file. It lasts until the last process that has the file open closes it or ends, however it ends.
type Lock struct{ File *os.File }

// LockOperation waits until no other invocation starts or stops this cluster.
func (d Dir) LockOperation() (*Lock, error) {
	return lock(string(d)+".lock", unix.LOCK_EX)
}

// LockRunning takes the lock that all processes of a running cluster hold together. It returns nil while any is left.
func (d Dir) LockRunning() (*Lock, error) {
	l, err := lock(d.Path(runningLock), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return l, err
}

// AwaitRunning takes the same lock once no process of the cluster is left. It fails with the context's error when that
// ends first.
func (d Dir) AwaitRunning(ctx context.Context) (*Lock, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if l, err := d.LockRunning(); l != nil || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// AwaitStopped returns once no process of the cluster is left, or the context's error when that ends first.
func (d Dir) AwaitStopped(ctx context.Context) error {
	l, err := d.AwaitRunning(ctx)
	if err != nil {
		return err
	}
	return l.Close()
}

// Close gives up this process's share of the lock.
func (l *Lock) Close() error { return l.File.Close() }

func lock(path string, how int) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(file.Fd()), how)
		if err == nil {
			return &Lock{File: file}, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, file.Close())
		}
	}
}
