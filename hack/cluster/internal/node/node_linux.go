package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// removalTimeout bounds how long the kernel may take to let go of processes that were killed.
const removalTimeout = 10 * time.Second

// Isolate makes the command start in new namespaces.
func Isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: Namespaces}
}

// Cleanup removes what outlives the namespaces of the cluster with the ID. None of its processes may be left but those
// that are about to end.
func Cleanup(ctx context.Context, id string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	return errors.Join(removeLink(id), removeCgroups(ctx, id))
}

// Missing says what keeps this machine from running a real node for a cluster whose files are at the paths, one line
// for each reason, with the way to get it where there is one.
func Missing(ctx context.Context, paths ...string) []string {
	if os.Geteuid() != 0 {
		return []string{"a real node needs root: run this with sudo"}
	}
	var missing []string
	for program, pkg := range packages {
		if !onPath(program) {
			missing = append(missing, fmt.Sprintf("the program %s: install the package %s", program, pkg))
		}
	}
	for _, path := range paths {
		if dir := coveredBy(path); dir != "" {
			missing = append(missing, fmt.Sprintf("a place outside %s: %s would be hidden from the node", dir, path))
		}
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "--help")
	Isolate(cmd)
	if err := cmd.Run(); err != nil {
		missing = append(missing, fmt.Sprintf("the right to make namespaces (%v): leave the unprivileged container", err))
	}
	return missing
}

// packages maps the programs a node needs from the system to the Debian packages they are in.
var packages = map[string]string{"runc": "runc", "nft": "nftables"}

// Install gets the missing programs where the system has apt-get, saying so, and does nothing elsewhere.
func Install(ctx context.Context, progress io.Writer) error {
	var names []string
	for program, pkg := range packages {
		if !onPath(program) {
			names = append(names, pkg)
		}
	}
	if len(names) == 0 || !onPath("apt-get") || os.Geteuid() != 0 {
		return nil
	}
	fmt.Fprintf(progress, "installing %s with apt-get\n", strings.Join(names, " and "))
	if err := aptGet(ctx, "update", "-q"); err != nil {
		return err
	}
	return aptGet(ctx, append([]string{"install", "-yq", "--no-install-recommends"}, names...)...)
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
	}
	return nil
}

func onPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func coveredBy(path string) string {
	for _, dir := range covered {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return dir
		}
	}
	return ""
}
