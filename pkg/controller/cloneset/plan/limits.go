package plan

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// defaultMaxUnavailable is the default of the API, for a CloneSet that was stored without it.
const defaultMaxUnavailable = "20%"

var (
	errPercentage     = errors.New(`must be a number of pods, 0 or more, or a whole percentage from "0%" to "100%"`)
	errMaxUnavailable = errors.New(`must be a number of pods, 1 or more, or a whole percentage from "1%" to "100%"`)
)

// limits are the numbers of a spec, evaluated.
type limits struct {
	replicas       int
	partition      int
	maxUnavailable int
	minReady       time.Duration
	grace          time.Duration
}

// limitsOf evaluates a valid spec.
func limitsOf(set *appsv1beta1.CloneSet) limits {
	l := limits{
		replicas: replicas(set),
		minReady: time.Duration(set.Spec.MinReadySeconds) * time.Second,
		grace:    appsv1beta1.DefaultGracePeriodSeconds * time.Second,
	}
	if seconds := set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds; seconds != nil {
		l.grace = time.Duration(*seconds) * time.Second
	}
	l.partition, _ = partition(set)
	l.maxUnavailable, _ = maxUnavailable(set)
	return l
}

func replicas(set *appsv1beta1.CloneSet) int {
	if set.Spec.Replicas == nil {
		return 1
	}
	return int(*set.Spec.Replicas)
}

// partition returns how many pods stay at their old revision. A percentage is rounded up; but a percentage below 100
// lets at least one pod be updated where there is more than one, since nobody who asks for 99 % wants nothing to happen.
func partition(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.Partition
	if value == nil {
		return 0, nil
	}
	total := replicas(set)
	pods, err := roundUp(*value, total)
	if err != nil {
		return 0, err
	}
	if value.Type == intstr.String && pods == total && total > 1 && value.StrVal != "100%" {
		pods--
	}
	return min(pods, total), nil
}

// maxUnavailable returns how many pods may be out of service, at least one.
func maxUnavailable(set *appsv1beta1.CloneSet) (int, error) {
	value := set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable
	if value == nil {
		value = new(intstr.FromString(defaultMaxUnavailable))
	}
	pods, err := roundUp(*value, replicas(set))
	if err != nil || (value.Type == intstr.Int && pods == 0) || value.StrVal == "0%" {
		return 0, errMaxUnavailable
	}
	return max(pods, 1), nil
}

// roundUp evaluates a number or a whole percentage of total.
func roundUp(value intstr.IntOrString, total int) (int, error) {
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
	return (int(percent)*total + 99) / 100, nil
}
