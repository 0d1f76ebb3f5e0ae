// Package simulated gives tests of many pods a real control plane whose nodes are played in the test's own process.
package simulated

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/kubelet"
)

const crdFolder = "charts/insitu/files/crds"

// Open returns a cluster without nodes, with the kind CloneSet.
func Open(tb testing.TB, name string) *framework.Cluster {
	tb.Helper()
	c, err := framework.Open(name)
	must(tb, err)
	if c.Nodes != framework.NoNode {
		tb.Fatalf("cluster %s has a real node; its pods would get in the way", c.Name)
	}
	_, err = envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(c.Root, crdFolder)}, ErrorIfPathMissing: true,
	})
	must(tb, err)
	return c
}

// Nodes plays nodes of a cluster until the test ends.
func Nodes(tb testing.TB, c *framework.Cluster, nodes int, timing kubelet.Timing) {
	tb.Helper()
	clientset, err := kubernetes.NewForConfig(kubelet.ClientConfig(c.Config))
	must(tb, err)
	simulator := kubelet.NewSimulator(clientset, kubelet.SimulatorOptions{
		Nodes: nodes, Options: kubelet.Options{Timing: timing},
	})
	ctx, stop := context.WithCancel(tb.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := simulator.Run(ctx); err != nil {
			tb.Errorf("simulated nodes: %v", err)
		}
	})
	tb.Cleanup(func() { stop(); running.Wait() })
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
