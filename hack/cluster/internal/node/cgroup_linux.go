package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// createCgroups makes the parent of all the node's control groups, in every hierarchy (version 1 has several).
func createCgroups(id string) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := enableControllers(root); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(root, id), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// enableControllers hands all controllers down where the hierarchy is of version 2: a kubelet refuses a parent that
// lacks one which the machine has. In version 1 the files do not exist, and there is nothing to do.
func enableControllers(root string) error {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for c := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the node's control groups. They can be removed once the last of their processes is gone, so
// afterwards no container is left.
func removeCgroups(ctx context.Context, id string) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := removeCgroup(ctx, filepath.Join(root, id)); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(ctx context.Context, dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		if err := removeWhenEmpty(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func removeWhenEmpty(ctx context.Context, dir string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Rmdir(dir)
		if !errors.Is(err, unix.EBUSY) {
			if err == nil || errors.Is(err, unix.ENOENT) {
				return nil
			}
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		select {
		case <-ctx.Done():
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		case <-tick.C:
		}
	}
}

// cgroupRoots returns the mount points of all control group hierarchies.
func cgroupRoots() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var roots []string
	for line := range strings.Lines(string(mounts)) {
		fields, tail, _ := strings.Cut(line, " - ")
		columns := strings.Fields(fields)
		if strings.HasPrefix(tail, "cgroup") && len(columns) > 4 {
			roots = append(roots, columns[4])
		}
	}
	return roots, nil
}
