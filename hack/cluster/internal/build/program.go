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

const (
	kubernetesModule = "kubernetes"
	containerdTags   = "no_btrfs,no_zfs"

	containerdPackages = "github.com/containerd/containerd/v2/cmd/"
	cniPackages        = "github.com/containernetworking/plugins/plugins/"
)

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
		{Name: "containerd", Module: "containerd", Package: containerdPackages + "containerd", Tags: containerdTags},
		{Name: "containerd-shim-runc-v2", Module: "containerd", Package: containerdPackages + "containerd-shim-runc-v2", Tags: containerdTags},
		{Name: "ctr", Module: "containerd", Package: containerdPackages + "ctr", Tags: containerdTags},
		{Name: "host-local", Module: "cni", Package: cniPackages + "ipam/host-local"},
		{Name: "ptp", Module: "cni", Package: cniPackages + "main/ptp"},
		{Name: "loopback", Module: "cni", Package: cniPackages + "main/loopback"},
		{Name: "pause", Module: "pause", Package: "."},
	}
}

func kubernetes(name string) Program {
	return Program{Name: name, Module: kubernetesModule, Package: "k8s.io/kubernetes/cmd/" + name}
}
