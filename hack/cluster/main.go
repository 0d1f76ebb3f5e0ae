// Command cluster runs a real Kubernetes on one machine, built from pinned Go modules: without a container engine, and
// without anything downloaded but Go modules.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if newCommand().ExecuteContext(ctx) != nil {
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	f := &flags{}
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "A real Kubernetes on this machine, from pinned Go modules",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	root.PersistentFlags().StringVar(&f.root, "root", "", "checkout whose cluster it is (default: the one around the working directory)")
	root.PersistentFlags().StringVar(&f.name, "name", "dev", "name of the cluster")
	root.AddCommand(
		newBuildCommand(f), newUpCommand(f), newDownCommand(f), newStatusCommand(f), newDoctorCommand(f),
		newPushCommand(f), newKubectlCommand(f), newInitCommand(), newSuperviseCommand(),
	)
	return root
}
