package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// generateKubernetes makes a module like modules/kubernetes for a version that has none there, once.
func (b *Builder) generateKubernetes(ctx context.Context) (string, error) {
	dir := filepath.Join(b.Cache, "modules", kubernetesModule+"-"+b.KubeVersion)
	if _, err := os.Stat(filepath.Join(dir, "go.sum")); err == nil {
		return dir, nil
	}
	upstream, err := b.upstreamModule(ctx)
	if err != nil {
		return "", err
	}
	content, err := kubernetesModFile(upstream, b.KubeVersion)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), content, 0o644); err != nil {
		return "", err
	}
	if out, err := goCommand(ctx, dir, "mod", "tidy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("resolving Kubernetes %s: %w\n%s", b.KubeVersion, err, out)
	}
	return dir, nil
}

// upstreamModule downloads the go.mod of k8s.io/kubernetes.
func (b *Builder) upstreamModule(ctx context.Context) (*modfile.File, error) {
	out, err := goCommand(ctx, os.TempDir(), "mod", "download", "-json", "k8s.io/kubernetes@"+b.KubeVersion).Output()
	var module struct{ GoMod, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr == nil && module.Error != "" {
		return nil, fmt.Errorf("downloading k8s.io/kubernetes: %s", module.Error)
	}
	if err != nil {
		return nil, fmt.Errorf("downloading k8s.io/kubernetes@%s: %w", b.KubeVersion, err)
	}
	content, err := os.ReadFile(module.GoMod)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(module.GoMod, content, nil)
}

// kubernetesModFile returns a go.mod that builds Kubernetes from outside its repository: upstream replaces its staging
// modules by relative paths, here each is replaced by its published version, v0.X.Y for Kubernetes v1.X.Y.
func kubernetesModFile(upstream *modfile.File, version string) ([]byte, error) {
	f := &modfile.File{}
	staging := stagingVersion(version)
	steps := []error{
		f.AddModuleStmt("insitu/kubernetes"),
		f.AddGoStmt(upstream.Go.Version),
		f.AddRequire("k8s.io/kubernetes", version),
	}
	for _, g := range upstream.Godebug {
		steps = append(steps, f.AddGodebug(g.Key, g.Value))
	}
	for _, p := range append(ControlPlane(), Node()...) {
		if p.Module == kubernetesModule {
			steps = append(steps, f.AddTool(p.Package))
		}
	}
	for _, r := range upstream.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/") {
			steps = append(steps, f.AddReplace(r.Old.Path, "", r.Old.Path, staging))
		}
	}
	for _, err := range steps {
		if err != nil {
			return nil, err
		}
	}
	return f.Format()
}

// stagingVersion returns the version under which the staging modules of a version of Kubernetes are published.
func stagingVersion(version string) string { return strings.Replace(version, "v1.", "v0.", 1) }
