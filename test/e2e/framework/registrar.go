package framework

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// RegistrarFolder is where the example is that tells a load balancer of pods.
const RegistrarFolder = "examples/external-registry"

// Kubectl runs kubectl as an administrator, from the root of the checkout.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(".bin", "cluster"), append([]string{"kubectl", "--name", c.Name, "--"}, args...)...)
	cmd.Dir = c.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %q: %w\n%s", args, err, out)
	}
	return nil
}

// StartRegistrar runs the example of a program that tells a load balancer of pods, as it is and with no other permissions
// than it comes with. It writes its log into dir, and runs until stop is called, which returns the log.
func (c *Cluster) StartRegistrar(
	ctx context.Context, dir, namespace, selector, balancer string,
) (stop func() string, err error) {
	err = c.Kubectl(ctx, "apply", "--namespace="+namespace, "--filename="+RegistrarFolder+"/rbac.yaml")
	if err != nil {
		return nil, err
	}
	kubectl := fmt.Sprintf("#!/bin/sh\ncd '%s' && exec .bin/cluster kubectl --name '%s' -- "+
		"--as='system:serviceaccount:%s:registrar' \"$@\"\n", c.Root, c.Name, namespace)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "registrar.log")
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("bash", filepath.Join(c.Root, RegistrarFolder, "registrar.sh"), namespace, selector)
	cmd.Env = append(os.Environ(), "PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"), "BALANCER_URL="+balancer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() string {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		text, _ := os.ReadFile(path)
		return string(text)
	}, nil
}
