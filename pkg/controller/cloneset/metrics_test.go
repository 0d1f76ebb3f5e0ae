package cloneset

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

func newMetrics(t *testing.T) (*prometheus.Registry, *Metrics) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	return registry, metrics
}

func TestMetricsAreNamedAsIsUsual(t *testing.T) {
	registry, metrics := newMetrics(t)
	for _, phase := range inplace.UpdatePhases() {
		metrics.took(inplace.Took{phase: time.Second})
	}
	metrics.planned(types.NamespacedName{Namespace: "default", Name: "web"}, 1)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
	if again, err := NewMetrics(registry); err != nil || again.phases != metrics.phases {
		t.Errorf("a second manager has metrics of its own: %v", err)
	}
}

// A counter that first appears with a restart hides that restart from whoever asks for its increase.
func TestPlannedRestartsAreCounted(t *testing.T) {
	registry, metrics := newMetrics(t)
	web, api := types.NamespacedName{Namespace: "default", Name: "web"}, types.NamespacedName{Namespace: "default", Name: "api"}
	for _, set := range []types.NamespacedName{web, api} {
		metrics.planned(set, 0)
	}
	metrics.planned(web, 2)
	metrics.planned(web, 1)
	expectMetric(t, registry, "insitu_planned_restarts_total", `
# HELP insitu_planned_restarts_total Restarts of containers that were made by in-place updates, by CloneSet.
# TYPE insitu_planned_restarts_total counter
insitu_planned_restarts_total{cloneset="api",namespace="default"} 0
insitu_planned_restarts_total{cloneset="web",namespace="default"} 3
`)
	metrics.forget(web)
	expectMetric(t, registry, "insitu_planned_restarts_total", `
# HELP insitu_planned_restarts_total Restarts of containers that were made by in-place updates, by CloneSet.
# TYPE insitu_planned_restarts_total counter
insitu_planned_restarts_total{cloneset="api",namespace="default"} 0
`)
}

func expectMetric(t *testing.T, registry *prometheus.Registry, name, want string) {
	t.Helper()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}

// A phase that is not known is not observed.
func TestPhasesThatAreKnownAreObserved(t *testing.T) {
	registry, metrics := newMetrics(t)
	metrics.took(nil)
	metrics.took(inplace.Took{appsv1beta1.UpdateStop: time.Millisecond, appsv1beta1.UpdateStart: time.Second})
	if got, err := testutil.GatherAndCount(registry, "insitu_update_phase_seconds"); got != 2 || err != nil {
		t.Errorf("%d phases are told, want 2: %v", got, err)
	}
}

// The rules that we hand out ask for metrics that there are.
func TestRulesAskForMetricsThatThereAre(t *testing.T) {
	rules, err := os.ReadFile("../../../examples/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(rules, &map[string]any{}); err != nil {
		t.Error(err)
	}
	registry, metrics := newMetrics(t)
	metrics.took(inplace.Took{appsv1beta1.UpdateOutOfService: time.Second})
	metrics.planned(types.NamespacedName{Namespace: "default", Name: "web"}, 1)
	asked := regexp.MustCompile(`insitu_[a-z_]+`).FindAllString(string(rules), -1)
	for _, name := range asked {
		if got, err := testutil.GatherAndCount(registry, strings.TrimSuffix(name, "_bucket")); got != 1 || err != nil {
			t.Errorf("there are %d of %s: %v", got, name, err)
		}
	}
	if len(asked) != 2 {
		t.Errorf("the rules ask for %v", asked)
	}
}
