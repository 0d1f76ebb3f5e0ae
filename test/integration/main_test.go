package integration_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// world is what all tests of the controller share: the nodes, and a manager.
type world struct {
	start    sync.Once
	opened   *framework.Cluster
	manager  harness.SharedManager
	log      *os.File
	stop     context.CancelFunc
	kubelets sync.WaitGroup
}

var shared world

// TestMain lets many tests run at a time, whatever the number of processors: they do little but wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := m.Run()
	shared.end()
	os.Exit(code)
}

// cluster returns the cluster with nodes that play kubelets. They run until all tests have ended.
func (w *world) cluster(t *testing.T) *framework.Cluster {
	t.Helper()
	if os.Getenv(harness.KubeconfigEnv) == "" {
		harness.Connect(t) // It skips the test and says why.
	}
	w.start.Do(func() {
		connected := harness.Connect(t)
		opened, err := framework.Open(os.Getenv("INSITU_TEST_CLUSTER"))
		if err != nil {
			t.Fatal(err)
		}
		opened.Client = connected.Client // It refuses unknown fields, as kubectl does.
		w.opened = opened
		w.logTo(t, opened.Root+"/.cluster/"+opened.Name+"/logs/insitu.log")
		var ctx context.Context
		ctx, w.stop = context.WithCancel(context.Background())
		w.kubelets.Go(func() {
			if err := harness.RunKubelets(ctx, opened.Config); err != nil {
				fmt.Fprintln(os.Stderr, "kubelets:", err)
			}
		})
		w.kubelets.Go(func() {
			if err := harness.RunStorage(ctx, opened.Config); err != nil {
				fmt.Fprintln(os.Stderr, "storage:", err)
			}
		})
	})
	if w.opened == nil {
		t.Fatal("the cluster could not be opened; the first test says why")
	}
	return w.opened
}

// logTo keeps the managers' log beside those of the cluster, where it is found when a test fails.
func (w *world) logTo(t *testing.T, path string) {
	t.Helper()
	var err error
	if w.log, err = os.Create(path); err != nil {
		t.Fatal(err)
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(w.log, nil))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
}

func (w *world) end() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.kubelets.Wait()
	_ = w.log.Close()
}
