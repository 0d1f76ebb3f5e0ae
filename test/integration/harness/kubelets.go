package harness

import (
	"context"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/insitu-dev/insitu/test/kubelet"
)

const (
	// SlowPrefix begins the images whose pull takes SlowPull.
	SlowPrefix = "registry.example/slow/"
	// BrokenPrefix begins the images that cannot be pulled. All others are there at once.
	BrokenPrefix = "registry.example/broken/"
	// CrashPrefix begins the images whose program ends a moment after its start.
	CrashPrefix = "registry.example/crash/"
	// SlowPull is long enough for a test to stop, change and start things in the middle of a restart.
	SlowPull = 2 * time.Second
	// LazyPrefix begins the images whose containers take so long to start that the kubelet tells of it that they are starting.
	LazyPrefix = "registry.example/lazy/"
	// SlowestPrefix begins the images whose pull takes so long that the status is sure to tell of it.
	SlowestPrefix = "registry.example/slowest/"

	slowestPull = 10 * time.Second

	restart = 100 * time.Millisecond
)

// RunKubelets plays the nodes of a cluster that has none, until the context ends.
func RunKubelets(ctx context.Context, config *rest.Config) error {
	clientset, err := kubernetes.NewForConfig(kubelet.ClientConfig(config))
	if err != nil {
		return err
	}
	return kubelet.NewSimulator(clientset, kubelet.SimulatorOptions{
		Nodes:   3,
		Options: kubelet.Options{Timing: kubelet.RestartTiming(restart, 0), Images: kubelet.ImageFunc(image)},
	}).Run(ctx)
}

// image tells how an image behaves, from its name.
func image(ref string) kubelet.Image {
	switch {
	case strings.HasPrefix(ref, SlowPrefix):
		return kubelet.Image{PullTime: SlowPull}
	case strings.HasPrefix(ref, LazyPrefix):
		return kubelet.Image{StartTime: SlowPull}
	case strings.HasPrefix(ref, SlowestPrefix):
		return kubelet.Image{PullTime: slowestPull}
	case strings.HasPrefix(ref, BrokenPrefix):
		return kubelet.Image{PullError: "not found"}
	case strings.HasPrefix(ref, CrashPrefix):
		return kubelet.Image{CrashAfter: restart}
	}
	return kubelet.Image{}
}
