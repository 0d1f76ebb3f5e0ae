package framework

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/app/image"
)

const (
	// ManagerNamespace is where the chart is installed.
	ManagerNamespace = "insitu-system"
	// ManagerName is the name of the managers' Deployment, of their lease and of their user agent.
	ManagerName = "insitu"
)

// ManagerProgram is the manager as a program on this machine.
type ManagerProgram struct {
	// Kubeconfig is the path of the kubeconfig that its processes use: the administrator's, unless it is changed.
	Kubeconfig string

	path string
	log  *os.File
}

// BuildManager builds the manager into dir, where its processes will also write their log.
func (c *Cluster) BuildManager(dir string) (*ManagerProgram, error) {
	p := &ManagerProgram{Kubeconfig: c.Kubeconfig(), path: filepath.Join(dir, "insitu")}
	if err := image.BuildBinary("github.com/insitu-dev/insitu", p.path); err != nil {
		return nil, err
	}
	var err error
	p.log, err = os.OpenFile(p.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return p, err
}

// LogPath returns the path of the log of all processes of the program.
func (p *ManagerProgram) LogPath() string { return p.path + ".log" }

// ManagerProcess is a running manager.
type ManagerProcess struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a manager without leader election. It runs until Kill.
func (p *ManagerProgram) Start() (*ManagerProcess, error) {
	cmd := exec.Command(p.path,
		"--leader-elect=false", "--webhooks=false", "--health-probe-bind-address=0", "--metrics-bind-address=0")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	m := &ManagerProcess{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		_ = cmd.Wait()
	}()
	return m, nil
}

// Ended is closed when the process has ended, by itself or by Kill.
func (m *ManagerProcess) Ended() <-chan struct{} { return m.ended }

// Kill ends the process by SIGKILL, as a lost node or the kernel's lack of memory would, and waits for its end. The error
// tells of a process that had ended by itself.
func (m *ManagerProcess) Kill() error {
	if err := m.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("the manager had ended by itself: %w", err)
	}
	<-m.ended
	return nil
}

// ScaleManager sets the number of managers that run in the cluster, and waits until as many are ready and no other is
// left.
func (c *Cluster) ScaleManager(ctx context.Context, v *View, replicas int32) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ManagerNamespace, Name: ManagerName}}
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
	if err := c.Client.Patch(ctx, d, patch); err != nil {
		return err
	}
	return v.Until(ctx, func() (bool, string) {
		known := v.Deployment(ManagerName)
		pods := v.ManagerPods()
		done := known != nil && known.Generation >= d.Generation && known.Status.ObservedGeneration >= d.Generation &&
			known.Status.ReadyReplicas == replicas && len(pods) == int(replicas)
		return done, "the managers are not as wanted:" + describe(pods...)
	})
}
