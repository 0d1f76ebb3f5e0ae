//go:build !linux

package node

import (
	"context"
	"errors"
	"io"
	"os/exec"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

var errLinux = errors.New("a real node needs Linux")

// Isolate is never called where Missing reports something.
func Isolate(*exec.Cmd) {}

// Connect fails: there is no node.
func Connect(string, int) (address, peer string, err error) { return "", "", errLinux }

// Enter fails: there is no node.
func Enter(*state.Spec) error { return errLinux }

// RunInit fails: there is no node.
func RunInit(*exec.Cmd) error { return errLinux }

// Cleanup has nothing to do.
func Cleanup(context.Context, string) error { return nil }

// Missing says that this is not Linux.
func Missing(context.Context, ...string) []string { return []string{errLinux.Error()} }

// Install does nothing.
func Install(context.Context, io.Writer) error { return nil }
