package state

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/insitu-dev/insitu/hack/cluster/internal/build"
)

// Node modes of a cluster.
const (
	// NodeReal is one node with a kubelet and containers, in namespaces of its own.
	NodeReal = "real"
	// NodeNone is a control plane alone, of ordinary processes on loopback ports.
	NodeNone = "none"
)

// ServiceCIDR holds the cluster IPs of Services.
const ServiceCIDR = "10.96.0.0/16"

// Spec is all that decides how a cluster runs.
type Spec struct {
	Dir         Dir
	KubeVersion string
	// Node is NodeReal or NodeNone.
	Node     string
	Binaries build.Binaries
	// Runc is the path of the low-level container runtime of a real node.
	Runc string
	// Address is the IP the cluster is reached at from this machine; Peer is this machine's end of a real node's link.
	Address, Peer string
	Ports         Ports
}

// Ports are TCP ports at Spec.Address, and on loopback for those of etcd.
type Ports struct {
	API, Etcd, EtcdPeer, ControllerManager, Scheduler int
	// Registry is 0 where there is no node to pull images.
	Registry int
}

// Status is what the supervisor says of a cluster while it runs.
type Status struct {
	// Supervisor is the process to signal, and the leader of the process group.
	Supervisor int
	Spec       Spec
	// Components maps each to its process ID, as seen in the cluster's own process namespace.
	Components map[string]int
	// Dead maps components that ended on their own to how they ended.
	Dead map[string]string
}

const statusFile = "cluster.json"

// WriteStatus replaces the status atomically.
func (d Dir) WriteStatus(s *Status) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	unfinished := d.Path(statusFile + ".new")
	if err := os.WriteFile(unfinished, content, 0o644); err != nil {
		return err
	}
	return os.Rename(unfinished, d.Path(statusFile))
}

// ReadStatus returns nil when no status was ever written.
func (d Dir) ReadStatus() (*Status, error) {
	content, err := os.ReadFile(d.Path(statusFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	status := &Status{}
	return status, json.Unmarshal(content, status)
}
