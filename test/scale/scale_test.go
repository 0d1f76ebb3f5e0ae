package scale

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/kubelet"
	"github.com/insitu-dev/insitu/test/simulated"
)

const (
	// podsEnv names the environment variable with the numbers of pods to measure with, separated by spaces, and
	// clusterEnv the one with the name of a cluster without nodes.
	podsEnv    = "INSITU_BENCH_PODS"
	clusterEnv = "INSITU_TEST_CLUSTER"

	nodes          = 10 // More would renew more leases, and be lost where the machine is busy.
	restart        = 200 * time.Millisecond
	reportFile     = "bench-report.json"
	managerLogFile = "insitu.log"
)

// The budgets. The first three are for budgetPods pods.
const (
	budgetPods    = 1000
	budgetCPU     = 5.0 // milliseconds a pod
	budgetPeakMiB = 80.0
	podWrites     = 3.0 // drain, patch, confirm
	// budgetRatio is how many times the CPU a pod of fewPods that of manyPods may be.
	budgetRatio       = 1.5
	fewPods, manyPods = 500, 5000
)

func TestRollouts(t *testing.T) {
	sizes := podNumbers(t)
	c := simulated.Open(t, os.Getenv(clusterEnv))
	program, err := buildManager(t.TempDir())
	must(t, err)
	simulated.Nodes(t, c, nodes, kubelet.RestartTiming(restart, 0))
	var all report
	add := func(m measurement) {
		t.Logf("%s of %d pods: updated in %.1f s", m.Kind, m.Pods, m.Seconds)
		all = append(all, m)
		must(t, all.write(filepath.Join(c.Root, reportFile)))
	}
	for _, pods := range sizes {
		add(measureCloneSet(t, c, program, pods))
		add(measureDeployment(t, c, pods))
	}
	all.print(os.Stdout)
	checkBudgets(t, all)
}

// podNumbers returns the numbers of pods to measure with.
func podNumbers(t *testing.T) []int {
	t.Helper()
	given := strings.Fields(os.Getenv(podsEnv))
	if len(given) == 0 {
		t.Skip(`takes minutes, so only "make bench" runs it`)
	}
	numbers := make([]int, len(given))
	for i := range given {
		n, err := strconv.Atoi(given[i])
		must(t, err)
		numbers[i] = n
	}
	return numbers
}

// measureCloneSet measures a rollout by a manager of its own, so that the peak of its memory is that of this rollout.
func measureCloneSet(t *testing.T, c *framework.Cluster, program string, pods int) measurement {
	t.Helper()
	components, err := controlPlane(c)
	must(t, err)
	m, err := startManager(c, program, filepath.Join(c.Root, ".cluster", c.Name, "logs", managerLogFile))
	must(t, err)
	all := maps.Clone(components)
	all[framework.ManagerName] = m.pid()
	measured, err := cloneSet.run(t.Context(), c, all, pods)
	if stopErr := m.stop(); stopErr != nil {
		t.Errorf("stopping the manager: %v", stopErr)
	}
	must(t, err)
	return measured
}

func measureDeployment(t *testing.T, c *framework.Cluster, pods int) measurement {
	t.Helper()
	components, err := controlPlane(c)
	must(t, err)
	measured, err := deployment.run(t.Context(), c, components, pods)
	must(t, err)
	return measured
}

// checkBudgets checks those budgets for which there are measurements.
func checkBudgets(t *testing.T, all report) {
	t.Helper()
	for i := range all {
		if m := &all[i]; m.Kind == cloneSet.name {
			checkCounts(t, m)
		}
	}
	if m := all.of(cloneSet, budgetPods); m != nil {
		atMost(t, "CPU of the manager a pod, in ms, with "+strconv.Itoa(budgetPods)+" pods", m.managerCPU(), budgetCPU)
		atMost(t, "peak memory of the manager, in MiB, with "+strconv.Itoa(budgetPods)+" pods", m.PeakMiB, budgetPeakMiB)
	}
	few, many := all.of(cloneSet, fewPods), all.of(cloneSet, manyPods)
	if few != nil && many != nil {
		atMost(t, "CPU of the manager a pod with many pods to that with few", many.managerCPU()/few.managerCPU(), budgetRatio)
	}
}

// checkCounts checks what must hold with any number of pods.
func checkCounts(t *testing.T, m *measurement) {
	t.Helper()
	if m.SamePods != m.Pods {
		t.Errorf("%d of %d pods were replaced", m.Pods-m.SamePods, m.Pods)
	}
	if m.PodWrites != podWrites {
		t.Errorf("the manager wrote to pods %v times a pod, with %d pods; want %v", m.PodWrites, m.Pods, podWrites)
	}
	if m.Conflicts != 0 {
		t.Errorf("%d writes of the manager were conflicts, with %d pods", m.Conflicts, m.Pods)
	}
}

func (m *measurement) managerCPU() float64 { return m.CPUPerPod[cloneSet.component] }

func atMost(t *testing.T, what string, value, most float64) {
	t.Helper()
	if value > most {
		t.Errorf("%s: %.2f, over the budget of %.2f", what, value, most)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
