package plan

import (
	"math"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

func TestPartition(t *testing.T) {
	tests := []struct {
		replicas  int
		partition string
		want      int
	}{
		{10, "0", 0},
		{10, "4", 4},
		{10, "10", 10},
		{10, "11", 10},
		{10, "0%", 0},
		{10, "1%", 1},
		{10, "25%", 3},
		{10, "90%", 9},
		{10, "99%", 9},
		{10, "100%", 10},
		{4, "99%", 3},
		{2, "51%", 1},
		{1, "0%", 0},
		{1, "1%", 1},
		{1, "99%", 1},
		{1, "100%", 1},
		{0, "50%", 0},
		{0, "3", 0},
		{2147483647, "50%", 1073741824},
	}
	for _, tt := range tests {
		set := cloneSet(tt.replicas)
		set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.Parse(tt.partition))
		got, err := partition(set)
		if err != nil || got != tt.want {
			t.Errorf("%s of %d: got %d (%v), want %d", tt.partition, tt.replicas, got, err, tt.want)
		}
	}
}

func TestMaxUnavailable(t *testing.T) {
	tests := []struct {
		replicas int
		value    string
		want     int
	}{
		{10, "1", 1},
		{10, "20", 20},
		{10, "20%", 2},
		{10, "21%", 3},
		{10, "1%", 1},
		{10, "100%", 10},
		{4, "20%", 1},
		{1, "1%", 1},
		{0, "20%", 1},
		{0, "1", 1},
		{2147483647, "100%", 2147483647},
	}
	for _, tt := range tests {
		set := cloneSet(tt.replicas)
		set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = new(intstr.Parse(tt.value))
		got, err := maxUnavailable(set)
		if err != nil || got != tt.want {
			t.Errorf("%s of %d: got %d (%v), want %d", tt.value, tt.replicas, got, err, tt.want)
		}
	}
}

// A CloneSet that was stored before the API had defaults gets the same ones.
func TestLimitsOfAnEmptySpec(t *testing.T) {
	want := limits{
		replicas: 1, maxUnavailable: 1, starting: math.MaxInt32, maxFailed: 1,
		drain:    inplace.DrainRules{Grace: appsv1beta1.DefaultGracePeriodSeconds * time.Second},
		deadline: 10 * time.Minute,
	}
	if got := limitsOf(&appsv1beta1.CloneSet{}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	set := cloneSet(10)
	set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = nil
	if got := limitsOf(set).maxUnavailable; got != 2 {
		t.Errorf("got maxUnavailable %d of 10 by default, want 2", got)
	}
}

func TestLimitsInSeconds(t *testing.T) {
	set := cloneSet(1)
	set.Spec.MinReadySeconds = 7
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32(0))
	if got := limitsOf(set); got.minReady != 7*time.Second || got.drain.Grace != 0 {
		t.Errorf("got %s and %s, want 7s and 0s", got.minReady, got.drain.Grace)
	}
}

func TestMaxSurge(t *testing.T) {
	tests := []struct {
		replicas           int
		unavailable, surge string
		wantDown, wantUp   int
	}{
		{10, "0", "1", 0, 1},
		{10, "20%", "0", 2, 0},
		{3, "20%", "0", 1, 0},
		{3, "20%", "1", 0, 1}, // The surge makes up for it, so that the percentage is rounded down.
		{10, "25%", "25%", 2, 3},
		{10, "0%", "1%", 0, 1},
		{0, "0", "50%", 1, 0}, // Nobody surges for no pods, and nothing is kept up.
		{0, "20%", "50%", 1, 0},
		{4, "100%", "100%", 4, 4},
		{4, "1", "0%", 1, 0},
	}
	for _, tt := range tests {
		set := cloneSet(tt.replicas, surgeOf(tt.unavailable, tt.surge))
		got := limitsOf(set)
		if errs := Validate(set); len(errs) > 0 {
			t.Errorf("maxUnavailable %s, maxSurge %s: %v", tt.unavailable, tt.surge, errs)
		}
		if got.maxUnavailable != tt.wantDown || got.maxSurge != tt.wantUp {
			t.Errorf("maxUnavailable %s, maxSurge %s of %d: got %d, %d, want %d, %d",
				tt.unavailable, tt.surge, tt.replicas, got.maxUnavailable, got.maxSurge, tt.wantDown, tt.wantUp)
		}
	}
}

// What a surge would have made up for has to go down then: pods that the user wants deleted are.
func TestNothingSurgesUnderOnDelete(t *testing.T) {
	for unavailable, want := range map[string]int{"20%": 2, "3": 3, "0": 1, "0%": 1} {
		set := cloneSet(10, surgeOf(unavailable, "50%"), onlyOnDelete, partitionOf(4))
		if errs := Validate(set); len(errs) > 0 {
			t.Errorf("maxUnavailable %s: %v", unavailable, errs)
		}
		if l := limitsOf(set); l.maxSurge != 0 || l.partition != 0 || l.maxUnavailable != want {
			t.Errorf("maxUnavailable %s: got %+v, want %d unavailable", unavailable, l, want)
		}
	}
}

func TestStartingAtATime(t *testing.T) {
	set := cloneSet(10)
	for value, want := range map[string]int{"3": 3, "25%": 3, "1%": 1, "100%": 10} {
		set.Spec.ScaleStrategy.MaxUnavailable = new(intstr.Parse(value))
		if got, err := starting(set); err != nil || got != want {
			t.Errorf("%s: got %d (%v), want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"0", "0%", "-1", "5", "abc", "33.3%"} {
		set.Spec.ScaleStrategy.MaxUnavailable = new(intstr.FromString(value))
		if _, err := starting(set); err == nil {
			t.Errorf("%q is taken", value)
		}
	}
}
