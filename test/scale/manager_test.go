package scale

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/insitu-dev/insitu/test/app/image"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// buildManager builds the manager as it is shipped and returns the path of the program.
func buildManager(dir string) (string, error) {
	path := filepath.Join(dir, "insitu")
	return path, image.BuildBinary("github.com/insitu-dev/insitu", path)
}

// manager is a manager that runs as a process of its own, so that what it costs can be told from what all else costs.
type manager struct {
	cmd *exec.Cmd
}

// startManager starts a manager for a cluster; its log is appended to a file.
func startManager(c *framework.Cluster, program, logPath string) (*manager, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, "--leader-elect=false", "--health-probe-bind-address=0", "--metrics-bind-address=0")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig())
	cmd.Stdout, cmd.Stderr = log, log
	return &manager{cmd: cmd}, cmd.Start()
}

func (m *manager) pid() int { return m.cmd.Process.Pid }

// stop asks the manager to end and waits for it.
func (m *manager) stop() error {
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("the manager had ended by itself: %w", err)
	}
	return m.cmd.Wait()
}
