package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const modules = "../../modules"

func TestSourceIsThePinnedModuleWhereThereIsOne(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "kubernetes-v1.35.4", "go.mod"), "module pinned\n")
	generated := filepath.Join("modules", "kubernetes-v1.35.3")
	cache := t.TempDir()
	write(t, filepath.Join(cache, generated, "go.sum"), "")
	for version, want := range map[string]string{
		DefaultKubeVersion: filepath.Join(dir, "kubernetes"),
		"v1.35.4":          filepath.Join(dir, "kubernetes-v1.35.4"),
		"v1.35.3":          filepath.Join(cache, generated),
	} {
		b := &Builder{Modules: dir, Cache: cache, KubeVersion: version}
		if got, err := b.source(t.Context(), kubernetes("kubelet")); got != want || err != nil {
			t.Errorf("Kubernetes %s is built from %q (%v), want %s", version, got, err, want)
		}
		if got, err := b.source(t.Context(), Program{Module: "etcd"}); got != filepath.Join(dir, "etcd") || err != nil {
			t.Errorf("with Kubernetes %s, etcd is built from %q (%v)", version, got, err)
		}
	}
}

// pinnedVersions returns the versions of Kubernetes with a module, and where that is.
func pinnedVersions(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{DefaultKubeVersion: filepath.Join(modules, kubernetesModule)}
	dirs, err := filepath.Glob(filepath.Join(modules, kubernetesModule+"-v*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no other version is pinned: %v", err)
	}
	for _, dir := range dirs {
		versions[strings.TrimPrefix(filepath.Base(dir), kubernetesModule+"-")] = dir
	}
	return versions
}

func TestPinnedModulesBuildWhatTheyAreNamed(t *testing.T) {
	for version, dir := range pinnedVersions(t) {
		t.Run(version, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := modfile.Parse("go.mod", content, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(f.Require, func(r *modfile.Require) bool {
				return r.Mod.Path == "k8s.io/kubernetes" && r.Mod.Version == version
			}) {
				t.Error("it does not require this version")
			}
			for _, r := range f.Replace {
				if r.New.Version != stagingVersion(version) {
					t.Errorf("%s is replaced by version %s", r.Old.Path, r.New.Version)
				}
			}
			for _, p := range append(ControlPlane(), Node()...) {
				if p.Module == kubernetesModule && !slices.ContainsFunc(f.Tool, func(tool *modfile.Tool) bool { return tool.Path == p.Package }) {
					t.Errorf("it does not keep %s", p.Package)
				}
			}
		})
	}
}
