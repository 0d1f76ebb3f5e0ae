package node

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// RunInit is the life of the first process in the namespaces: it runs the command, hands it the signals that ask to
// stop, and takes leave of every process that lost its parent, until the command ends.
func RunInit(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	if err := cmd.Start(); err != nil {
		return err
	}
	for s := range signals {
		if s != syscall.SIGCHLD {
			if err := cmd.Process.Signal(s); err != nil {
				return err
			}
			continue
		}
		if status, ended := reap(cmd.Process.Pid); ended {
			return exitError(status)
		}
	}
	return nil
}

// reap takes leave of all processes that ended, and says whether the one of interest was among them.
func reap(pid int) (status unix.WaitStatus, ended bool) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if got <= 0 || err != nil {
			return status, ended
		}
		if got == pid {
			status, ended = ws, true
		}
	}
}

func exitError(status unix.WaitStatus) error {
	if status.Exited() && status.ExitStatus() == 0 {
		return nil
	}
	return errors.New("the supervisor ended abnormally")
}
