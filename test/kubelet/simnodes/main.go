// Command simnodes plays nodes with kubelets for a Kubernetes cluster that has none, until it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/insitu-dev/insitu/test/kubelet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "simnodes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("simnodes", flag.ExitOnError)
	path := flags.String("kubeconfig", os.Getenv("KUBECONFIG"), "`file` that names the cluster")
	nodes := flags.Int("nodes", 10, "how many nodes to play")
	prefix := flags.String("name-prefix", "sim", "what the names of the nodes begin with")
	restart := flags.Duration("restart", 200*time.Millisecond, "how long the restart of a container takes")
	delay := flags.Duration("start-delay", 0, "how long a new pod's sandbox takes")
	ready := flags.Duration("ready-delay", 0, "how long a started container takes to become ready")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *path)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(kubelet.ClientConfig(config))
	if err != nil {
		return err
	}
	return kubelet.NewSimulator(client, kubelet.SimulatorOptions{
		Nodes: *nodes, NamePrefix: *prefix,
		Options: kubelet.Options{
			Timing: kubelet.RestartTiming(*restart, *delay),
			Images: kubelet.ImageFunc(func(string) kubelet.Image { return kubelet.Image{ReadyDelay: *ready} }),
		},
	}).Run(ctx)
}
