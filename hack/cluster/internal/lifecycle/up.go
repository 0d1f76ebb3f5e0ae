// Package lifecycle starts and stops whole clusters.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/build"
	"github.com/insitu-dev/insitu/hack/cluster/internal/components"
	"github.com/insitu-dev/insitu/hack/cluster/internal/node"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// NodeAuto takes a real node where the machine allows one, and none elsewhere.
const NodeAuto = "auto"

// nodeModeFile tells other programs which kind of node was taken.
const nodeModeFile = "node-mode"

// Options say which cluster is meant. All are required, except where noted.
type Options struct {
	Dir state.Dir
	// Node is NodeAuto, state.NodeReal or state.NodeNone.
	Node string
	// Builder gets the programs.
	Builder *build.Builder
	// Progress gets lines for people.
	Progress io.Writer
	// Now tells the time.
	Now func() time.Time
}

// Up returns once the cluster can be used, which may be at once if it is up already.
func Up(ctx context.Context, o *Options) error {
	operation, err := o.Dir.LockOperation()
	if err != nil {
		return err
	}
	defer operation.Close()
	if up, err := alreadyUp(ctx, o); up || err != nil {
		return err
	}
	if err := destroy(ctx, o.Dir); err != nil {
		return fmt.Errorf("removing what an earlier cluster left: %w", err)
	}
	spec, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	if err := launch(ctx, o, spec); err != nil {
		// What was written stays, for the logs.
		return errors.Join(err, stop(context.WithoutCancel(ctx), o.Dir))
	}
	return nil
}

// alreadyUp also fails when a cluster is up that is not the wanted one.
func alreadyUp(ctx context.Context, o *Options) (bool, error) {
	status, err := running(o.Dir)
	if status == nil || err != nil {
		return false, err
	}
	if err := Healthy(ctx, status); err != nil {
		fmt.Fprintf(o.Progress, "cluster %s is up but broken (%v): starting it anew\n", o.Dir.Name(), err)
		return false, nil
	}
	spec := status.Spec
	if o.Node != NodeAuto && o.Node != spec.Node || o.Builder.KubeVersion != spec.KubeVersion {
		return false, fmt.Errorf("cluster %s is up with Kubernetes %s and --node=%s: take it down first, or choose another --name",
			o.Dir.Name(), spec.KubeVersion, spec.Node)
	}
	fmt.Fprintf(o.Progress, "cluster %s is up already\n", o.Dir.Name())
	return true, nil
}

// Healthy returns what is wrong with a cluster that runs, or nil.
func Healthy(ctx context.Context, status *state.Status) error {
	for name, ending := range status.Dead {
		return fmt.Errorf("%s ended: %s", name, ending)
	}
	api, err := components.NewAPI(&status.Spec)
	if err != nil {
		return err
	}
	return api.Ready(ctx)
}

// running returns nil when no process of the cluster is left.
func running(dir state.Dir) (*state.Status, error) {
	lock, err := dir.LockRunning()
	if err != nil {
		return nil, err
	}
	if lock != nil {
		return nil, lock.Close()
	}
	return dir.ReadStatus()
}

// Running returns what is known of a cluster that runs.
func Running(dir state.Dir) (*state.Status, error) {
	status, err := running(dir)
	if err == nil && status == nil {
		err = fmt.Errorf("cluster %s is not up", dir.Name())
	}
	return status, err
}

func prepare(ctx context.Context, o *Options) (*state.Spec, error) {
	mode, err := chooseNode(ctx, o)
	if err != nil {
		return nil, err
	}
	programs := build.ControlPlane()
	if mode == state.NodeReal {
		programs = append(programs, build.Node()...)
	}
	binaries, err := o.Builder.Build(ctx, programs)
	if err != nil {
		return nil, err
	}
	spec := &state.Spec{Dir: o.Dir, KubeVersion: o.Builder.KubeVersion, Node: mode, Binaries: binaries}
	if mode == state.NodeReal {
		spec.Ports = state.Ports{API: 6443, Etcd: 2379, EtcdPeer: 2380, ControllerManager: 10257, Scheduler: 10259, Registry: 5000}
		spec.Runc, err = exec.LookPath("runc")
	} else {
		spec.Address = "127.0.0.1"
		spec.Ports, err = freePorts()
	}
	if err != nil {
		return nil, err
	}
	return spec, os.WriteFile(o.Dir.Path(nodeModeFile), []byte(mode+"\n"), 0o644)
}

func chooseNode(ctx context.Context, o *Options) (string, error) {
	if o.Node == state.NodeNone {
		return state.NodeNone, nil
	}
	if err := node.Install(ctx, o.Progress); err != nil {
		fmt.Fprintln(o.Progress, err)
	}
	missing := node.Missing(ctx, string(o.Dir), o.Builder.Cache)
	if len(missing) == 0 {
		return state.NodeReal, nil
	}
	reasons := strings.Join(missing, "; ")
	if o.Node == state.NodeReal {
		return "", fmt.Errorf("no real node is possible here, missing: %s", reasons)
	}
	fmt.Fprintf(o.Progress, "no real node here, going on without; missing: %s\n", reasons)
	return state.NodeNone, nil
}
