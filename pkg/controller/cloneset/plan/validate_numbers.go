package plan

import (
	"math"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const deadlineRule = "must be greater than minReadySeconds, for which every pod stands still; 2147483647 turns the deadline off"

// validateNumbers refuses numbers below zero.
func validateNumbers(set *appsv1beta1.CloneSet, spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, number := range []struct {
		path  *field.Path
		value *int32
	}{
		{spec.Child("replicas"), set.Spec.Replicas},
		{spec.Child("revisionHistoryLimit"), set.Spec.RevisionHistoryLimit},
		{spec.Child("minReadySeconds"), &set.Spec.MinReadySeconds},
		{
			spec.Child("updateStrategy", "rollingUpdate", "inPlaceUpdateStrategy", "gracePeriodSeconds"),
			set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds,
		},
		{
			spec.Child("updateStrategy", "rollingUpdate", "inPlaceUpdateStrategy", "drain", "timeoutSeconds"),
			drainTimeout(set),
		},
	} {
		if number.value != nil && *number.value < 0 {
			errs = append(errs, field.Invalid(number.path, *number.value, "must be 0 or more"))
		}
	}
	return append(errs, validateDeadline(set, spec.Child("progressDeadlineSeconds"))...)
}

func drainTimeout(set *appsv1beta1.CloneSet) *int32 {
	if drain := set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Drain; drain != nil {
		return drain.TimeoutSeconds
	}
	return nil
}

func validateDeadline(set *appsv1beta1.CloneSet, path *field.Path) field.ErrorList {
	deadline := set.Spec.ProgressDeadlineSeconds
	if deadline == nil || *deadline == math.MaxInt32 || *deadline > max(set.Spec.MinReadySeconds, 0) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *deadline, deadlineRule)}
}

// validateLimits refuses numbers and percentages that cannot be evaluated, or with which nothing would ever happen.
func validateLimits(set *appsv1beta1.CloneSet, spec *field.Path) field.ErrorList {
	rolling, values := spec.Child("updateStrategy", "rollingUpdate"), &set.Spec.UpdateStrategy.RollingUpdate
	var errs field.ErrorList
	for _, limit := range []struct {
		path     *field.Path
		value    *intstr.IntOrString
		evaluate func(*appsv1beta1.CloneSet) (int, error)
	}{
		{rolling.Child("partition"), values.Partition, partition},
		{rolling.Child("maxUnavailable"), values.MaxUnavailable, maxUnavailable},
		{rolling.Child("maxSurge"), values.MaxSurge, maxSurge},
		{rolling.Child("failurePolicy", "maxFailed"), values.FailurePolicy.MaxFailed, maxFailed},
		{spec.Child("scaleStrategy", "maxUnavailable"), set.Spec.ScaleStrategy.MaxUnavailable, starting},
	} {
		if _, err := limit.evaluate(set); err != nil {
			errs = append(errs, field.Invalid(limit.path, limit.value.String(), err.Error()))
		}
	}
	return errs
}
