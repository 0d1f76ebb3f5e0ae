package components

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/build"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

func newSpec(t *testing.T, node string) *state.Spec {
	t.Helper()
	return &state.Spec{
		Dir:      state.Dir(filepath.Join(t.TempDir(), "dev")),
		Node:     node,
		Binaries: build.Binaries{"ptp": "/cache/cni/ptp", "kube-apiserver": "/cache/kube-apiserver"},
		Runc:     "/usr/sbin/runc",
		Address:  "10.231.0.2",
		Ports:    state.Ports{API: 6443, Etcd: 2379, EtcdPeer: 2380, Registry: 5000},
	}
}

func TestWriteFiles(t *testing.T) {
	for node, want := range map[string]int{state.NodeNone: len(controlPlaneFiles), state.NodeReal: len(controlPlaneFiles) + len(nodeFiles)} {
		t.Run(node, func(t *testing.T) {
			spec := newSpec(t, node)
			if err := WriteFiles(spec, time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, pattern := range []string{"config/*", "cni/*", "resolv.conf"} {
				matches, err := filepath.Glob(spec.Dir.Path(pattern))
				if err != nil {
					t.Fatal(err)
				}
				got += len(matches)
			}
			if got != want {
				t.Errorf("%d configuration files, want %d", got, want)
			}
			if _, err := NewAPI(spec); err != nil {
				t.Errorf("the administrator's kubeconfig: %v", err)
			}
		})
	}
}

func TestNodeFilesKeepToTheCluster(t *testing.T) {
	spec := newSpec(t, state.NodeReal)
	if err := WriteFiles(spec, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"config/kubelet.yaml":    "cgroupRoot: /" + spec.Dir.ID(),
		"config/containerd.toml": `bin_dirs = ["/cache/cni"]`,
		"cni/insitu.conflist":    `"subnet": "10.244.0.0/16"`,
	} {
		content, err := os.ReadFile(spec.Dir.Path(file))
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s has no %q: %v", file, want, err)
		}
	}
}

func TestAPIServerHasNoEndpointWithoutNode(t *testing.T) {
	const flag = "--endpoint-reconciler-type=none"
	if !slices.Contains(APIServer(newSpec(t, state.NodeNone)).Args, flag) {
		t.Error("without a node: an endpoint on a loopback address is refused")
	}
	if slices.Contains(APIServer(newSpec(t, state.NodeReal)).Args, flag) {
		t.Error("with a node: pods cannot reach the API server")
	}
}

func TestSearchPathPutsOurShimFirst(t *testing.T) {
	spec := newSpec(t, state.NodeReal)
	spec.Binaries["containerd-shim-runc-v2"] = "/cache/containerd/containerd-shim-runc-v2"
	if got, want := SearchPath(spec, "/usr/bin"), "/cache/containerd:/usr/bin"; got != want {
		t.Errorf("SearchPath() = %q, want %q", got, want)
	}
}
