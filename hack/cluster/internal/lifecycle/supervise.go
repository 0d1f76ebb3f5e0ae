package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/node"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
	"github.com/insitu-dev/insitu/hack/cluster/internal/supervisor"
)

// Init is the first process of a cluster with a real node. It reads what launch sends.
func Init(stdin io.Reader) error {
	instructions, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	status := &state.Status{}
	if err := json.Unmarshal(instructions, status); err != nil {
		return err
	}
	if err := node.Enter(&status.Spec); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	lock, report := inherited()
	cmd := exec.Command(self, SuperviseCommand)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(instructions), os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lock, report}
	return node.RunInit(cmd)
}

// Supervise runs the components of a cluster until the context ends. It reads what launch sends.
func Supervise(ctx context.Context, stdin io.Reader, now func() time.Time) error {
	status := &state.Status{}
	if err := json.NewDecoder(stdin).Decode(status); err != nil {
		return err
	}
	lock, report := inherited()
	s := &supervisor.Supervisor{Status: status, Lock: lock, Report: report, Now: now}
	return s.Run(ctx)
}

// inherited returns the files that launch hands on. Processes get them from here on only when they are meant to.
func inherited() (lock, report *os.File) {
	const lockDescriptor, reportDescriptor = 3, 4
	syscall.CloseOnExec(lockDescriptor)
	syscall.CloseOnExec(reportDescriptor)
	return os.NewFile(lockDescriptor, "lock"), os.NewFile(reportDescriptor, "report")
}
