package build

// Program is one executable that a cluster runs.
type Program struct {
	// Name is the file name of the executable.
	Name string
	// Module is the directory below modules/ that pins its version.
	Module string
	// Package is the import path of its main package.
	Package string
	// Tags are the build tags it needs.
	Tags string
}

const kubernetesModule = "kubernetes"

// ControlPlane lists what a cluster without a node needs.
func ControlPlane() []Program {
	return []Program{
		{Name: "etcd", Module: "etcd", Package: "go.etcd.io/etcd/server/v3"},
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
		kubernetes("kube-scheduler"),
		kubernetes("kubectl"),
	}
}

// Node lists what a real node needs besides the control plane.
func Node() []Program {
	return []Program{
		kubernetes("kubelet"),
		kubernetes("kube-proxy"),
		containerd("containerd"),
		containerd("containerd-shim-runc-v2"),
		containerd("ctr"),
		cni("ipam", "host-local"),
		cni("main", "ptp"),
		cni("main", "loopback"),
		{Name: "pause", Module: "pause", Package: "."},
	}
}

func kubernetes(name string) Program {
	return Program{Name: name, Module: kubernetesModule, Package: "k8s.io/kubernetes/cmd/" + name}
}

// containerd leaves out the storage drivers that need C libraries.
func containerd(name string) Program {
	return Program{
		Name:    name,
		Module:  "containerd",
		Package: "github.com/containerd/containerd/v2/cmd/" + name,
		Tags:    "no_btrfs,no_zfs",
	}
}

func cni(kind, name string) Program {
	return Program{Name: name, Module: "cni", Package: "github.com/containernetworking/plugins/plugins/" + kind + "/" + name}
}
