// Package components knows the programs of a cluster: their configuration, their command lines, their readiness.
package components

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/pki"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// NodeName is the name of the one real node.
const NodeName = "node"

// PauseImage is the image of the sandbox container, in the cluster's own registry.
const PauseImage = "127.0.0.1:5000/pause:1"

const (
	podCIDR     = "10.244.0.0/16"
	serviceCIDR = state.ServiceCIDR
	// apiService is the first address of serviceCIDR, which Kubernetes gives to its own Service.
	apiService = "10.96.0.1"
	// dnsService has nothing behind it: without a DNS address in its configuration the kubelet complains at each pod.
	dnsService = "10.96.0.10"
)

//go:embed files
var files embed.FS

// nodeFiles are the templates of a real node, and where in the cluster's directory the results go.
var nodeFiles = map[string]string{
	"kubelet.yaml":    "config/kubelet.yaml",
	"kube-proxy.yaml": "config/kube-proxy.yaml",
	"containerd.toml": "config/containerd.toml",
	"cni.conflist":    "cni/insitu.conflist",
	"resolv.conf":     "resolv.conf",
}

var controlPlaneFiles = map[string]string{
	"audit-policy.yaml": "config/audit-policy.yaml",
	"scheduler.yaml":    "config/scheduler.yaml",
}

// values are what the templates refer to.
type values struct {
	state.Dir
	Address, Runc, CNIPlugins string
}

func (values) NodeName() string   { return NodeName }
func (values) PodCIDR() string    { return podCIDR }
func (values) DNSAddress() string { return dnsService }
func (values) PauseImage() string { return PauseImage }

// WriteFiles writes everything the components read: certificates valid from now on, kubeconfigs and configuration.
func WriteFiles(spec *state.Spec, now time.Time) error {
	for _, dir := range []string{"pki", "kubeconfigs", "config", "cni", "logs"} {
		if err := os.MkdirAll(spec.Dir.Path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := writeCredentials(spec, now); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	if err := render(spec, controlPlaneFiles); err != nil {
		return err
	}
	if spec.Node != state.NodeReal {
		return nil
	}
	return render(spec, nodeFiles)
}

func render(spec *state.Spec, targets map[string]string) error {
	templates, err := template.ParseFS(files, "files/*")
	if err != nil {
		return err
	}
	v := values{Dir: spec.Dir, Address: spec.Address, Runc: spec.Runc, CNIPlugins: filepath.Dir(spec.Binaries["ptp"])}
	for name, target := range targets {
		var out bytes.Buffer
		if err := templates.ExecuteTemplate(&out, name, v); err != nil {
			return err
		}
		if err := os.WriteFile(spec.Dir.Path(target), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// user is an identity that a component, or the administrator, has towards the API server.
type user struct {
	name   string
	groups []string
	path   string
}

func users(dir state.Dir) []user {
	return []user{
		{"kubernetes-admin", []string{"system:masters"}, dir.Kubeconfig()},
		{"system:kube-controller-manager", nil, dir.Path("kubeconfigs", "kube-controller-manager")},
		{"system:kube-scheduler", nil, dir.Path("kubeconfigs", "kube-scheduler")},
		{"system:kube-proxy", nil, dir.Path("kubeconfigs", "kube-proxy")},
		{"system:node:" + NodeName, []string{"system:nodes"}, dir.Path("kubeconfigs", "kubelet")},
	}
}

func writeCredentials(spec *state.Spec, now time.Time) error {
	authority, err := pki.NewAuthority(now)
	if err != nil {
		return err
	}
	if err := writePKI(spec, authority); err != nil {
		return err
	}
	ca, err := authority.Pair()
	if err != nil {
		return err
	}
	for _, u := range users(spec.Dir) {
		pair, err := authority.Client(u.name, u.groups...)
		if err != nil {
			return err
		}
		content, err := pki.Kubeconfig("insitu-"+spec.Dir.Name(), ServerURL(spec), ca.Certificate, pair)
		if err != nil {
			return err
		}
		if err := os.WriteFile(u.path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writePKI writes the files that are named on the command lines of the API server and the controller manager.
func writePKI(spec *state.Spec, authority *pki.Authority) error {
	makers := map[string]func() (pki.Pair, error){
		"ca":             authority.Pair,
		"apiserver":      func() (pki.Pair, error) { return authority.Server(serverNames(), serverAddresses(spec)) },
		"kubelet-client": func() (pki.Pair, error) { return authority.Client("kube-apiserver", "system:masters") },
	}
	for name, issue := range makers {
		pair, err := issue()
		if err != nil {
			return err
		}
		if err := pair.Write(spec.Dir.Path("pki"), name); err != nil {
			return err
		}
	}
	key, err := pki.SigningKey()
	if err != nil {
		return err
	}
	return os.WriteFile(spec.Dir.Path("pki", "service-account.key"), key, 0o600)
}

func serverNames() []string {
	const service = "kubernetes.default"
	return []string{"kubernetes", service, service + ".svc", service + ".svc.cluster.local", "localhost"}
}

func serverAddresses(spec *state.Spec) []net.IP {
	return []net.IP{net.ParseIP(spec.Address), net.ParseIP(apiService), net.IPv4(127, 0, 0, 1)}
}

// ServerURL returns the address of the API server.
func ServerURL(spec *state.Spec) string {
	return fmt.Sprintf("https://%s:%d", spec.Address, spec.Ports.API)
}
