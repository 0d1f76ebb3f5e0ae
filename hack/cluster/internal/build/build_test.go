package build

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
)

func TestKubernetesModFile(t *testing.T) {
	upstream, err := modfile.Parse("go.mod", []byte(`module k8s.io/kubernetes
go 1.25.0
godebug default=go1.25
require k8s.io/api v0.0.0
replace (
	k8s.io/api => ./staging/src/k8s.io/api
	example.com/forked => example.com/fork v1.0.0
)
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := kubernetesModFile(upstream, "v1.35.4")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"go 1.25.0\n", "godebug default=go1.25\n", "require k8s.io/kubernetes v1.35.4\n",
		"replace k8s.io/api => k8s.io/api v0.35.4\n", "k8s.io/kubernetes/cmd/kubelet\n",
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("no %q in\n%s", want, content)
		}
	}
}

func TestVersionFlags(t *testing.T) {
	got := versionFlags("v1.36.3")
	for _, want := range []string{"version.gitVersion=v1.36.3", "version.gitMajor=1", "version.gitMinor=36"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestBuildReusesUntilTheModuleChanges(t *testing.T) {
	modules := t.TempDir()
	source := filepath.Join(modules, "hello")
	write(t, filepath.Join(source, "go.mod"), "module hello\n\ngo 1.26.0\n")
	write(t, filepath.Join(source, "main.go"), "package main\n\nfunc main() {}\n")
	program := []Program{{Name: "hello", Module: "hello", Package: "."}}
	var progress bytes.Buffer
	b := &Builder{Modules: modules, Cache: t.TempDir(), KubeVersion: DefaultKubeVersion, Progress: &progress, Now: func() time.Time { return time.Time{} }}

	first := mustBuild(t, b, program)
	if _, err := os.Stat(first["hello"]); err != nil || !strings.Contains(progress.String(), "[1/1] hello ... 0s") {
		t.Errorf("first build: %v, progress %q", err, progress.String())
	}
	progress.Reset()
	if again := mustBuild(t, b, program); again["hello"] != first["hello"] || progress.Len() != 0 {
		t.Errorf("second build made %v again: %q", again, progress.String())
	}
	write(t, filepath.Join(source, "main.go"), "package main\n\nfunc main() { println() }\n")
	if changed := mustBuild(t, b, program); changed["hello"] == first["hello"] {
		t.Error("the changed module was not built anew")
	}
}

func mustBuild(t *testing.T, b *Builder, programs []Program) Binaries {
	t.Helper()
	binaries, err := b.Build(t.Context(), programs)
	if err != nil {
		t.Fatal(err)
	}
	return binaries
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
