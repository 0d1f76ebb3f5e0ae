package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/kubelet"
)

// simulate makes up for a missing node and for the manager that would run on it, and then does what compare does, but for
// the traffic.
func (d *demo) simulate(ctx context.Context, path string) (err error) {
	d.say("This cluster has no real node (`.bin/cluster doctor` tells what is missing): pods are simulated, without traffic.")
	stop, err := d.playNode(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	dir, err := os.MkdirTemp("", "insitu-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := d.cluster.BuildManager(dir)
	if err != nil {
		return err
	}
	manager, err := program.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Kill()) }()
	return d.compare(ctx, path)
}

// playNode plays a node with a kubelet until stop is called.
func (d *demo) playNode(ctx context.Context) (stop func() error, err error) {
	client, err := kubernetes.NewForConfig(kubelet.ClientConfig(d.cluster.Config))
	if err != nil {
		return nil, err
	}
	node := kubelet.NewSimulator(client, kubelet.SimulatorOptions{
		Nodes: 1, NamePrefix: "demo",
		Options: kubelet.Options{
			Timing: kubelet.RestartTiming(500*time.Millisecond, 500*time.Millisecond),
			Images: kubelet.ImageTable{
				framework.Reference(webV1):   {ReadyDelay: readyDelay},
				framework.Reference(webV2):   {ReadyDelay: readyDelay},
				framework.Reference(proxyV1): {ReadyDelay: sidecarStartup},
				framework.Reference(toolsV1): {RunTime: initWork},
			},
		},
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	return func() error {
		cancel()
		if err := <-ended; err != nil {
			return fmt.Errorf("simulated node: %w", err)
		}
		return nil
	}, nil
}
