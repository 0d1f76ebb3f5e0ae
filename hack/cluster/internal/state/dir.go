// Package state is what a cluster keeps on disk: its directory, its locks and the description of what runs.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Dir is the directory of one cluster, an absolute path.
type Dir string

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// NewDir returns the directory of the named cluster in the repository at root.
func NewDir(root, name string) (Dir, error) {
	if !validName.MatchString(name) {
		return "", fmt.Errorf("cluster name %q: want at most 32 lower-case letters, digits and dashes", name)
	}
	abs, err := filepath.Abs(filepath.Join(root, ".cluster", name))
	return Dir(abs), err
}

// ID tells clusters of all checkouts on a machine apart. It is short enough for the name of a network device.
func (d Dir) ID() string {
	sum := sha256.Sum256([]byte(d))
	return "insitu" + hex.EncodeToString(sum[:4])
}

// Path joins elements to the directory.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Name returns the name of the cluster.
func (d Dir) Name() string { return filepath.Base(string(d)) }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Log returns the path of the log of a component.
func (d Dir) Log(component string) string { return d.Path("logs", component+".log") }

// Clear empties the directory, except for the lock that says the cluster runs.
func (d Dir) Clear() error {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != runningLock {
			errs = append(errs, os.RemoveAll(d.Path(e.Name())))
		}
	}
	return errors.Join(errs...)
}

// FindRoot returns the closest directory at or above start that holds this tool's sources, the root of the repository.
func FindRoot(start string) (string, error) {
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "cluster", "modules")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout of insitu: run this there, or name one with --root", start)
		}
	}
}
