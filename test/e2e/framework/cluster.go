// Package framework drives a cluster of hack/cluster: it builds and pushes images, makes workloads, sends them load, and
// waits for what the API server tells by watching, never by polling. The demo and the end-to-end tests share it.
package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// NodeMode says what the nodes of a cluster are.
type NodeMode string

const (
	// RealNode is a node with a kubelet and a container runtime.
	RealNode NodeMode = "real"
	// NoNode means a control plane alone, to which simulated nodes can be added.
	NoNode NodeMode = "none"
)

// Cluster is a running cluster.
type Cluster struct {
	// Name is its name for the cluster command.
	Name string
	// Root is the root of the checkout.
	Root string
	// Nodes says what its nodes are.
	Nodes NodeMode
	// Config reaches its API server as an administrator, with no limit of the client's own.
	Config *rest.Config
	// Client reads from, writes to and watches the API server directly.
	Client client.WithWatch
}

// Open returns the running cluster of that name of the checkout that the current directory is in.
func Open(name string) (*Cluster, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Name: name, Root: root}
	mode, err := os.ReadFile(c.path("node-mode"))
	if err != nil {
		return nil, fmt.Errorf("cluster %q is not up: %w", name, err)
	}
	c.Nodes = NodeMode(strings.TrimSpace(string(mode)))
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig()); err != nil {
		return nil, err
	}
	c.Config.QPS = -1
	c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: newScheme()})
	return c, err
}

// CheckInstalled returns an error if the cluster does not know CloneSets.
func (c *Cluster) CheckInstalled(ctx context.Context) error {
	if err := c.Client.List(ctx, &appsv1beta1.CloneSetList{}, client.Limit(1)); err != nil {
		return fmt.Errorf("insitu is not installed in cluster %q, which `make install CLUSTER=%s` does: %w", c.Name, c.Name, err)
	}
	return nil
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, appsv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("types that are compiled in do not fit together: %v", err))
		}
	}
	return scheme
}

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// AuditLog returns the path of the API server's audit log.
func (c *Cluster) AuditLog() string { return c.path("audit.log") }

func (c *Cluster) path(name string) string { return filepath.Join(c.Root, ".cluster", c.Name, name) }

// Push puts the image in a tarball into the cluster's registry.
func (c *Cluster) Push(ctx context.Context, ref, tarball string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Root, ".bin", "cluster"), "push", "--name", c.Name, ref, tarball)
	cmd.Dir = c.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("push %s: %w\n%s", ref, err, out)
	}
	return nil
}

// findRoot returns the nearest folder above the current one that holds the cluster command's source.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "cluster", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the current directory is not in a checkout")
		}
	}
}
