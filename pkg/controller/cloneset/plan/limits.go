package plan

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

const (
	// defaultMaxUnavailable is the default of the API, for a CloneSet that was stored without it.
	defaultMaxUnavailable = "20%"
	// defaultProgressDeadline is that of progressDeadlineSeconds.
	defaultProgressDeadline = 600
	// noLimit stands for a number of pods that is not limited.
	noLimit = math.MaxInt32
)

var (
	errPercentage = errors.New(`must be a number of pods, 0 or more, or a whole percentage from "0%" to "100%"`)
	errPositive   = errors.New(`must be a number of pods, 1 or more, or a whole percentage from "1%" to "100%"`)
	errBothZero   = errors.New("must not be 0 while maxSurge is 0: no pod could ever be updated; set one of them to 1 or more")
)

// limits are the numbers of a spec, evaluated.
type limits struct {
	replicas  int
	partition int
	// maxSurge is zero while nothing may surge.
	maxSurge       int
	maxUnavailable int
	// starting is how many pods may be on their way to become available while pods are made.
	starting int
	// maxFailed is at how many failed pods a rollout ends.
	maxFailed int
	minReady  time.Duration
	drain     inplace.DrainRules
	// deadline is for how long a rollout may stand still; zero means for ever.
	deadline time.Duration
}

// limitsOf evaluates a valid spec.
func limitsOf(set *appsv1beta1.CloneSet) limits {
	l := limits{
		replicas: replicas(set),
		minReady: time.Duration(set.Spec.MinReadySeconds) * time.Second,
		drain:    DrainRulesOf(set),
		deadline: deadline(set),
	}
	l.partition, _ = partition(set)
	l.maxSurge, _ = maxSurge(set)
	l.maxUnavailable, _ = maxUnavailable(set)
	l.starting, _ = starting(set)
	l.maxFailed, _ = maxFailed(set)
	return l
}

func deadline(set *appsv1beta1.CloneSet) time.Duration {
	seconds := int32(defaultProgressDeadline)
	if set.Spec.ProgressDeadlineSeconds != nil {
		seconds = *set.Spec.ProgressDeadlineSeconds
	}
	if seconds == math.MaxInt32 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// updates tells whether pods are updated at all now.
func updates(set *appsv1beta1.CloneSet) bool {
	return set.Spec.UpdateStrategy.Type != appsv1beta1.OnDeleteStrategyType && !set.Spec.UpdateStrategy.RollingUpdate.Paused
}

func replicas(set *appsv1beta1.CloneSet) int {
	if set.Spec.Replicas == nil {
		return 1
	}
	return int(*set.Spec.Replicas)
}

// partition returns how many pods stay at their old revision. A percentage is rounded up; but a percentage below 100
// lets at least one pod be updated where there is more than one, since nobody who asks for 99 % wants nothing to happen.
// A pod that is deleted under OnDelete comes back at the new revision, whatever the partition.
func partition(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.Partition
	if value == nil {
		return 0, nil
	}
	total := replicas(set)
	pods, err := evaluate(*value, total, true)
	if err != nil || set.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType {
		return 0, err
	}
	if value.Type == intstr.String && pods == total && total > 1 && value.StrVal != "100%" {
		pods--
	}
	return min(pods, total), nil
}

// maxSurge returns how many pods may exist beyond replicas.
func maxSurge(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.MaxSurge
	if value == nil {
		return 0, nil
	}
	pods, err := evaluate(*value, replicas(set), true)
	if err != nil || set.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType {
		return 0, err
	}
	return pods, nil
}

// maxUnavailable returns how many pods may be out of service. A percentage is rounded up, or down where surge pods make up
// for it.
func maxUnavailable(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable
	if value == nil {
		value = new(intstr.FromString(defaultMaxUnavailable))
	}
	surge, err := maxSurge(set)
	if err != nil {
		surge = 0 // It is reported for itself.
	}
	pods, err := evaluate(*value, replicas(set), surge == 0)
	switch {
	case err != nil:
		return pods, err
	case isZero(value) && isZero(set.Spec.UpdateStrategy.RollingUpdate.MaxSurge):
		return 0, errBothZero
	case surge == 0:
		return max(pods, 1), nil // Without replicas, or with a surge that comes to nothing, as under OnDelete.
	}
	return pods, nil
}

// starting returns how many pods may be on their way to become available while pods are made.
func starting(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.ScaleStrategy.MaxUnavailable
	if value == nil {
		return noLimit, nil
	}
	pods, err := evaluate(*value, replicas(set), true)
	if err != nil || isZero(value) {
		return 0, errPositive
	}
	return max(pods, 1), nil
}

// maxFailed returns at how many failed pods a rollout ends. A percentage is rounded up.
func maxFailed(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.MaxFailed
	if value == nil {
		pods, _ := maxUnavailable(set) // What is wrong with it is reported for itself.
		return max(pods, 1), nil
	}
	pods, err := evaluate(*value, replicas(set), true)
	if err != nil || isZero(value) {
		return 0, errPositive
	}
	return max(pods, 1), nil
}

func isZero(value *intstr.IntOrString) bool {
	return value == nil || (value.Type == intstr.Int && value.IntVal == 0) || (value.Type == intstr.String && value.StrVal == "0%")
}

// evaluate evaluates a number or a whole percentage of total.
func evaluate(value intstr.IntOrString, total int, up bool) (int, error) {
	if value.Type == intstr.Int {
		if value.IntVal < 0 {
			return 0, errPercentage
		}
		return int(value.IntVal), nil
	}
	text, isPercentage := strings.CutSuffix(value.StrVal, "%")
	percent, err := strconv.ParseUint(text, 10, 31)
	// ParseUint takes leading zeros and none of a sign; the API takes neither.
	if !isPercentage || err != nil || percent > 100 || text != strconv.FormatUint(percent, 10) {
		return 0, errPercentage
	}
	pods := int(percent) * total
	if up {
		pods += 99
	}
	return pods / 100, nil
}
