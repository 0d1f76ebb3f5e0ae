package chaos

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// lives counts how managers ended.
type lives struct{ killed, ended int }

// killing starts managers, one after the other, and kills each of them.
type killing struct {
	t        *testing.T
	program  *framework.ManagerProgram
	rng      *rand.Rand
	stopping chan struct{}
	done     sync.WaitGroup
	lives    lives
}

// startKilling starts to do so, with managers that use a kubeconfig. It goes on until stop is called.
func startKilling(t *testing.T, c *framework.Cluster, kubeconfig string, rng *rand.Rand) *killing {
	t.Helper()
	program, err := c.BuildManager(filepath.Join(c.Root, ".cluster", c.Name, "logs"))
	must(t, err)
	program.Kubeconfig = kubeconfig
	k := &killing{t: t, program: program, rng: rng, stopping: make(chan struct{})}
	k.done.Go(k.run)
	t.Cleanup(func() { k.stop() })
	return k
}

// stop kills the last manager.
func (k *killing) stop() lives {
	select {
	case <-k.stopping:
	default:
		close(k.stopping)
	}
	k.done.Wait()
	return k.lives
}

func (k *killing) run() {
	for {
		manager, err := k.program.Start()
		if err != nil {
			k.t.Errorf("starting a manager: %v", err)
			return
		}
		stopped := false
		select {
		case <-time.After(shortestLife + time.Duration(k.rng.Int64N(int64(longestLife-shortestLife)))):
		case <-manager.Ended():
		case <-k.stopping:
			stopped = true
		}
		if err := manager.Kill(); err != nil {
			k.lives.ended++
			k.t.Logf("a manager ended by itself: %s", k.lastWords())
		} else if !stopped {
			k.lives.killed++
		}
		if stopped {
			return
		}
	}
}

// lastWords returns the last line that a manager wrote.
func (k *killing) lastWords() string {
	log, err := os.ReadFile(k.program.LogPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return lines[len(lines)-1]
}
