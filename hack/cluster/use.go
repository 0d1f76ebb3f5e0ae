package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/insitu-dev/insitu/hack/cluster/internal/components"
	"github.com/insitu-dev/insitu/hack/cluster/internal/lifecycle"
	"github.com/insitu-dev/insitu/hack/cluster/internal/registry"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// running returns the status of the cluster the flags name.
func (f *flags) running() (*state.Status, error) {
	dir, err := f.dir()
	if err != nil {
		return nil, err
	}
	return lifecycle.Running(dir)
}

func newStatusCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show a cluster and its components; fails when it is not up or something ended",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			status, err := f.running()
			if err != nil {
				return err
			}
			printStatus(c, status)
			return lifecycle.Healthy(c.Context(), status)
		},
	}
}

func printStatus(c *cobra.Command, status *state.Status) {
	spec, out := &status.Spec, c.OutOrStdout()
	fmt.Fprintf(out, "cluster %s: Kubernetes %s, node %s, %s\n", spec.Dir.Name(), spec.KubeVersion, spec.Node, components.ServerURL(spec))
	fmt.Fprintf(out, "supervisor: process %d\n", status.Supervisor)
	for _, name := range slices.Sorted(maps.Keys(status.Components)) {
		condition := fmt.Sprintf("runs as process %d", status.Components[name])
		if ending, dead := status.Dead[name]; dead {
			condition = "ended: " + ending
		}
		fmt.Fprintf(out, "%s: %s, log %s\n", name, condition, spec.Dir.Log(name))
	}
}

func newPushCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "push REFERENCE IMAGE",
		Short: "Push an image, a docker-style tarball or an OCI layout, to the cluster's registry and print its digest",
		Example: "  cluster push 127.0.0.1:5000/insitu:dev insitu.tar\n" +
			"  cluster push 127.0.0.1:5000/slow8s/app:v2 app.tar   # each blob takes 8 s longer to read",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			status, err := f.running()
			if err != nil {
				return err
			}
			if status.Spec.Node != state.NodeReal {
				return fmt.Errorf("cluster %s has no real node, so nothing in it pulls images", f.name)
			}
			address := net.JoinHostPort(status.Spec.Address, strconv.Itoa(status.Spec.Ports.Registry))
			digest, err := registry.Pusher{Address: address}.Push(c.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), digest)
			return nil
		},
	}
}

func newKubectlCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl -- ARGUMENTS",
		Short: "Run the kubectl of the cluster's version",
		RunE: func(_ *cobra.Command, args []string) error {
			status, err := f.running()
			if err != nil {
				return err
			}
			kubectl := status.Spec.Binaries["kubectl"]
			env := append(os.Environ(), "KUBECONFIG="+status.Spec.Dir.Kubeconfig())
			return syscall.Exec(kubectl, append([]string{"kubectl"}, args...), env)
		},
	}
}

func newInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lifecycle.InitCommand,
		Hidden: true,
		RunE:   func(c *cobra.Command, _ []string) error { return lifecycle.Init(c.InOrStdin()) },
	}
}

func newSuperviseCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lifecycle.SuperviseCommand,
		Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return lifecycle.Supervise(c.Context(), c.InOrStdin(), time.Now)
		},
	}
}
