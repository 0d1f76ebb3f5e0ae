package main

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/insitu-dev/insitu/hack/cluster/internal/build"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// flags are those that several commands take.
type flags struct {
	root, name, kubeVersion string
}

func (f *flags) addKubeVersion(c *cobra.Command) {
	c.Flags().StringVar(&f.kubeVersion, "kube-version", build.DefaultKubeVersion, "published version of k8s.io/kubernetes")
}

func (f *flags) findRoot() (string, error) {
	if f.root != "" {
		return filepath.Abs(f.root)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return state.FindRoot(dir)
}

func (f *flags) dir() (state.Dir, error) {
	root, err := f.findRoot()
	if err != nil {
		return "", err
	}
	return state.NewDir(root, f.name)
}

func (f *flags) builder(progress io.Writer) (*build.Builder, error) {
	root, err := f.findRoot()
	if err != nil {
		return nil, err
	}
	cache, err := build.DefaultCache()
	if err != nil {
		return nil, err
	}
	return &build.Builder{
		Modules:     filepath.Join(root, "hack", "cluster", "modules"),
		Cache:       cache,
		KubeVersion: f.kubeVersion,
		Progress:    progress,
		Now:         time.Now,
	}, nil
}
