// Package build compiles the programs of a cluster from pinned Go modules into a cache that later runs reuse.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// DefaultKubeVersion is the version that modules/kubernetes pins.
const DefaultKubeVersion = "v1.36.3"

// Builder compiles programs. All its fields are required.
type Builder struct {
	// Modules is the directory of the checked-in modules.
	Modules string
	// Cache is the directory that keeps what was built.
	Cache string
	// KubeVersion is a version of k8s.io/kubernetes, such as v1.36.3.
	KubeVersion string
	// Progress gets one line for each program that is compiled.
	Progress io.Writer
	// Now tells the time, for the durations in Progress.
	Now func() time.Time
}

// Binaries maps the name of a program to the path of its executable.
type Binaries map[string]string

// task is a program together with the place it is compiled from and to.
type task struct {
	Program
	source string
	output string
}

// Build returns the executables of the programs, after compiling those the cache does not hold.
func (b *Builder) Build(ctx context.Context, programs []Program) (Binaries, error) {
	binaries := Binaries{}
	var missing []task
	for _, p := range programs {
		t, err := b.locate(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("locating %s: %w", p.Name, err)
		}
		binaries[p.Name] = t.output
		if _, err := os.Stat(t.output); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, t)
		}
	}
	return binaries, b.compileAll(ctx, missing)
}

func (b *Builder) locate(ctx context.Context, p Program) (task, error) {
	source, err := b.source(ctx, p)
	if err != nil {
		return task{}, err
	}
	key, err := cacheKey(source, b.flags(p))
	if err != nil {
		return task{}, err
	}
	return task{Program: p, source: source, output: filepath.Join(b.Cache, p.Module+"-"+key, p.Name)}, nil
}

func (b *Builder) source(ctx context.Context, p Program) (string, error) {
	if p.Module != kubernetesModule || b.KubeVersion == DefaultKubeVersion {
		return filepath.Join(b.Modules, p.Module), nil
	}
	pinned := filepath.Join(b.Modules, kubernetesModule+"-"+b.KubeVersion)
	if _, err := os.Stat(filepath.Join(pinned, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
		return pinned, err
	}
	return b.generateKubernetes(ctx)
}

func (b *Builder) compileAll(ctx context.Context, tasks []task) error {
	if len(tasks) == 0 {
		return nil
	}
	begun := b.Now()
	fmt.Fprintf(b.Progress, "building %d programs into %s; from nothing this takes about 10 minutes on 2 cores\n", len(tasks), b.Cache)
	for i, t := range tasks {
		fmt.Fprintf(b.Progress, "[%d/%d] %s ... ", i+1, len(tasks), t.Name)
		if err := b.compile(ctx, t); err != nil {
			fmt.Fprintln(b.Progress, "failed")
			return err
		}
	}
	fmt.Fprintf(b.Progress, "built in %s\n", b.since(begun))
	return nil
}

// compile leaves a finished executable or none, so that an interrupted build is never mistaken for a result.
func (b *Builder) compile(ctx context.Context, t task) error {
	begun := b.Now()
	if err := os.MkdirAll(filepath.Dir(t.output), 0o755); err != nil {
		return err
	}
	unfinished := fmt.Sprintf("%s.%d", t.output, os.Getpid())
	defer os.Remove(unfinished)
	args := append([]string{"build", "-o", unfinished}, b.flags(t.Program)...)
	if out, err := goCommand(ctx, t.source, append(args, t.Package)...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", t.Name, err, out)
	}
	fmt.Fprintln(b.Progress, b.since(begun))
	return os.Rename(unfinished, t.output)
}

func (b *Builder) since(t time.Time) time.Duration {
	return b.Now().Sub(t).Round(100 * time.Millisecond)
}

func (b *Builder) flags(p Program) []string {
	flags := []string{"-trimpath", "-buildvcs=false"}
	if p.Tags != "" {
		flags = append(flags, "-tags", p.Tags)
	}
	if p.Module == kubernetesModule {
		return append(flags, "-ldflags", "-s -w "+versionFlags(b.KubeVersion))
	}
	return append(flags, "-ldflags", "-s -w")
}

// versionFlags makes the programs report their real version, to Helm's kubeVersion checks and in audit logs.
func versionFlags(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags, "-X "+pkg+".gitVersion="+version, "-X "+pkg+".gitMajor="+major, "-X "+pkg+".gitMinor="+minor)
	}
	return strings.Join(flags, " ")
}

// goCommand runs the go command without cgo, so that no C compiler is needed and the results run in any container.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return cmd
}
