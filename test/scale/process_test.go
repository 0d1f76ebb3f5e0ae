package scale

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/procfs"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// cpuTime returns the CPU time that a process has used so far, its own and the kernel's for it, to 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := process.Stat()
	return time.Duration(stat.CPUTime() * float64(time.Second)), err
}

// peakMemory returns the most memory that was ever resident of a process, in bytes.
func peakMemory(pid int) (uint64, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	status, err := process.NewStatus()
	return status.VmHWM, err
}

// processes are those whose CPU time is measured, by name.
type processes map[string]int

// controlPlane returns the processes of a cluster.
func controlPlane(c *framework.Cluster) (processes, error) {
	data, err := os.ReadFile(filepath.Join(c.Root, ".cluster", c.Name, "cluster.json"))
	if err != nil {
		return nil, err
	}
	var status struct{ Components processes }
	err = json.Unmarshal(data, &status)
	return status.Components, err
}

// cpuTimes returns the CPU time that each process has used so far.
func (p processes) cpuTimes() (map[string]time.Duration, error) {
	times := map[string]time.Duration{}
	for name, pid := range p {
		used, err := cpuTime(pid)
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", name, err)
		}
		times[name] = used
	}
	return times, nil
}
