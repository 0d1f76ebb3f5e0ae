package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// Namespaces are those a cluster with a real node has of its own.
const Namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// covered are the directories of this machine that a node would write to. Inside the namespaces others lie over them.
var covered = []string{"/run", "/var/lib", "/var/log"}

// kernelSettings are what a kubelet insists on. It would set them for the whole machine, and for good.
var kernelSettings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// Enter is called by the first process in new namespaces, and makes them fit for a node.
func Enter(spec *state.Spec) error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"host name", func() error { return unix.Sethostname([]byte(spec.Dir.ID())) }},
		{"mounts", func() error { return mountAll(spec.Dir) }},
		{"kernel settings", hideKernelSettings},
		{"network", func() error { return configureInside(spec.Address) }},
		{"control groups", func() error { return createCgroups(spec.Dir.ID()) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("preparing the node's %s: %w", s.what, err)
		}
	}
	return nil
}

// mountAll cuts the mounts off from those of the machine first, and shares them last: a kubelet wants to share its own
// with the containers.
func mountAll(dir state.Dir) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV); err != nil {
		return err
	}
	for _, target := range covered[1:] {
		source := dir.Path("node", target)
		if err := os.MkdirAll(source, 0o755); err != nil {
			return err
		}
		if err := mount(source, target, "", unix.MS_BIND); err != nil {
			return err
		}
	}
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED)
}

// hideKernelSettings puts files with the wanted values over the settings.
func hideKernelSettings() error {
	for setting, value := range kernelSettings {
		file := filepath.Join("/run/insitu", setting)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(file, filepath.Join("/proc/sys", setting), "", unix.MS_BIND); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, fstype string, flags uintptr) error {
	if err := unix.Mount(source, target, fstype, flags, ""); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}
