package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/insitu-dev/insitu/hack/cluster/internal/build"
	"github.com/insitu-dev/insitu/hack/cluster/internal/lifecycle"
	"github.com/insitu-dev/insitu/hack/cluster/internal/node"
)

func newBuildCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "build",
		Short: "Build all programs of a cluster, or find them built",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			builder, err := f.builder(c.ErrOrStderr())
			if err != nil {
				return err
			}
			binaries, err := builder.Build(c.Context(), append(build.ControlPlane(), build.Node()...))
			if err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "%d programs are built in %s\n", len(binaries), builder.Cache)
			return nil
		},
	}
	f.addKubeVersion(c)
	return c
}

func newUpCommand(f *flags) *cobra.Command {
	var mode string
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster, and print the shell command that selects it for kubectl",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			builder, err := f.builder(c.ErrOrStderr())
			if err != nil {
				return err
			}
			o := &lifecycle.Options{Dir: dir, Node: mode, Builder: builder, Progress: c.ErrOrStderr(), Now: time.Now}
			if err := lifecycle.Up(c.Context(), o); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "export KUBECONFIG=%s\n", dir.Kubeconfig())
			return nil
		},
	}
	f.addKubeVersion(c)
	c.Flags().StringVar(&mode, "node", lifecycle.NodeAuto, "kind of node: real, none, or auto (real where possible)")
	return c
}

func newDownCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop a cluster and remove everything that it made",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			return lifecycle.Down(c.Context(), dir)
		},
	}
}

func newDoctorCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for a real node; fails when it lacks something",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			cache, err := build.DefaultCache()
			if err != nil {
				return err
			}
			missing := node.Missing(c.Context(), string(dir), cache)
			for _, line := range missing {
				fmt.Fprintln(c.OutOrStdout(), line)
			}
			if len(missing) > 0 {
				return errors.New("this machine cannot run a real node as it is")
			}
			fmt.Fprintln(c.OutOrStdout(), "nothing is missing for a real node")
			return nil
		},
	}
}
