package components

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// Component is one program of a cluster, ready to be run.
type Component struct {
	Name string
	Path string
	Args []string
}

// Etcd returns the API server's store.
func Etcd(spec *state.Spec) Component {
	client, peer := "http://"+Loopback(spec.Ports.Etcd), "http://"+Loopback(spec.Ports.EtcdPeer)
	return component(spec, "etcd", map[string]string{
		"name":                        "insitu",
		"data-dir":                    spec.Dir.Path("etcd"),
		"listen-client-urls":          client,
		"advertise-client-urls":       client,
		"listen-peer-urls":            peer,
		"initial-advertise-peer-urls": peer,
		"initial-cluster":             "insitu=" + peer,
		"log-level":                   "warn",
		"quota-backend-bytes":         strconv.Itoa(8 << 30),
		// Nothing here is meant to survive a power cut, and disks of build machines are slow.
		"unsafe-no-fsync": "true",
	})
}

// APIServer returns the API server.
func APIServer(spec *state.Spec) Component {
	pki := func(file string) string { return spec.Dir.Path("pki", file) }
	c := component(spec, "kube-apiserver", map[string]string{
		"advertise-address":                spec.Address,
		"bind-address":                     spec.Address,
		"secure-port":                      strconv.Itoa(spec.Ports.API),
		"etcd-servers":                     "http://" + Loopback(spec.Ports.Etcd),
		"service-cluster-ip-range":         serviceCIDR,
		"allow-privileged":                 "true",
		"authorization-mode":               "Node,RBAC",
		"enable-admission-plugins":         "NodeRestriction",
		"client-ca-file":                   pki("ca.crt"),
		"tls-cert-file":                    pki("apiserver.crt"),
		"tls-private-key-file":             pki("apiserver.key"),
		"kubelet-client-certificate":       pki("kubelet-client.crt"),
		"kubelet-client-key":               pki("kubelet-client.key"),
		"kubelet-preferred-address-types":  "InternalIP",
		"service-account-issuer":           "https://kubernetes.default.svc.cluster.local",
		"service-account-key-file":         pki("service-account.key"),
		"service-account-signing-key-file": pki("service-account.key"),
		// Nobody has a certificate with this name. Without an authority for such proxies others log errors for ever.
		"requestheader-client-ca-file":       pki("ca.crt"),
		"requestheader-allowed-names":        "front-proxy-client",
		"requestheader-username-headers":     "X-Remote-User",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"audit-policy-file":                  spec.Dir.Path("config", "audit-policy.yaml"),
		"audit-log-path":                     spec.Dir.Path("audit.log"),
		// Larger than any run writes, so that the log is one file: 0 would mean 100 MB.
		"audit-log-maxsize": "1000000",
		// Benches drive thousands of pods; priority and fairness divides what these allow.
		"max-requests-inflight":          "3000",
		"max-mutating-requests-inflight": "1000",
	})
	if spec.Node == state.NodeNone {
		// Endpoints may not be loopback addresses, and without a node nobody uses them.
		c.Args = append(c.Args, "--endpoint-reconciler-type=none")
	}
	return c
}

// ControllerManager returns the controller manager.
func ControllerManager(spec *state.Spec) Component {
	kubeconfig := spec.Dir.Path("kubeconfigs", "kube-controller-manager")
	return component(spec, "kube-controller-manager", map[string]string{
		"kubeconfig":                       kubeconfig,
		"authentication-kubeconfig":        kubeconfig,
		"authorization-kubeconfig":         kubeconfig,
		"bind-address":                     "127.0.0.1",
		"secure-port":                      strconv.Itoa(spec.Ports.ControllerManager),
		"leader-elect":                     "false",
		"use-service-account-credentials":  "true",
		"service-account-private-key-file": spec.Dir.Path("pki", "service-account.key"),
		"root-ca-file":                     spec.Dir.Path("pki", "ca.crt"),
		"cluster-signing-cert-file":        spec.Dir.Path("pki", "ca.crt"),
		"cluster-signing-key-file":         spec.Dir.Path("pki", "ca.key"),
		"kube-api-qps":                     "500",
		"kube-api-burst":                   "1000",
		// A HorizontalPodAutoscaler is looked at once in such a period, and tests wait for that.
		"horizontal-pod-autoscaler-sync-period": "1s",
	})
}

// Scheduler returns the scheduler.
func Scheduler(spec *state.Spec) Component {
	kubeconfig := spec.Dir.Path("kubeconfigs", "kube-scheduler")
	return component(spec, "kube-scheduler", map[string]string{
		"config":                    spec.Dir.Path("config", "scheduler.yaml"),
		"authentication-kubeconfig": kubeconfig,
		"authorization-kubeconfig":  kubeconfig,
		"bind-address":              "127.0.0.1",
		"secure-port":               strconv.Itoa(spec.Ports.Scheduler),
	})
}

// Containerd returns the container runtime of a real node.
func Containerd(spec *state.Spec) Component {
	return component(spec, "containerd", map[string]string{"config": spec.Dir.Path("config", "containerd.toml")})
}

// Kubelet returns the kubelet of a real node.
func Kubelet(spec *state.Spec) Component {
	return component(spec, "kubelet", map[string]string{
		"config":            spec.Dir.Path("config", "kubelet.yaml"),
		"kubeconfig":        spec.Dir.Path("kubeconfigs", "kubelet"),
		"hostname-override": NodeName,
		"node-ip":           spec.Address,
	})
}

// Proxy returns the service proxy of a real node.
func Proxy(spec *state.Spec) Component {
	return component(spec, "kube-proxy", map[string]string{"config": spec.Dir.Path("config", "kube-proxy.yaml")})
}

// SearchPath returns the value of PATH for a node's components: containerd looks its shim up there, and an older one of
// the distribution, if it came first, would fail every sandbox.
func SearchPath(spec *state.Spec, inherited string) string {
	return filepath.Dir(spec.Binaries["containerd-shim-runc-v2"]) + string(filepath.ListSeparator) + inherited
}

// Loopback returns the loopback address with the port.
func Loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func component(spec *state.Spec, name string, flags map[string]string) Component {
	c := Component{Name: name, Path: spec.Binaries[name]}
	for flag, value := range flags {
		c.Args = append(c.Args, "--"+flag+"="+value)
	}
	slices.Sort(c.Args)
	return c
}
