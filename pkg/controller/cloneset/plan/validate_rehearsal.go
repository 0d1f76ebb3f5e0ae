package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// validateRehearsal refuses words and numbers that mean nothing, and two fields that say the same thing.
func validateRehearsal(strategy *appsv1beta1.InPlaceUpdateStrategy, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	rehearsal, here := &strategy.Rehearsal, path.Child("rehearsal")
	policies := []appsv1beta1.RehearsalPolicy{appsv1beta1.RehearseAlways, appsv1beta1.RehearseNever}
	if rehearsal.Policy != "" && !slices.Contains(policies, rehearsal.Policy) {
		errs = append(errs, field.NotSupported(here.Child("policy"), rehearsal.Policy, policies))
	}
	ways := []appsv1beta1.WhenImpossible{appsv1beta1.WaitWhenImpossible, appsv1beta1.ProceedWhenImpossible}
	if rehearsal.WhenImpossible != "" && !slices.Contains(ways, rehearsal.WhenImpossible) {
		errs = append(errs, field.NotSupported(here.Child("whenImpossible"), rehearsal.WhenImpossible, ways))
	}
	for _, number := range []struct {
		name, also        string
		value, alsoValued *int32
	}{
		{"parallelism", "imagePreDownloadParallelism", rehearsal.Parallelism, strategy.ImagePreDownloadParallelism},
		{"timeoutSeconds", "imagePreDownloadTimeoutSeconds", rehearsal.TimeoutSeconds, strategy.ImagePreDownloadTimeoutSeconds},
	} {
		errs = append(errs, validatePositive(number.value, here.Child(number.name))...)
		errs = append(errs, validatePositive(number.alsoValued, path.Child(number.also))...)
		if number.value != nil && number.alsoValued != nil {
			errs = append(errs, field.Forbidden(path.Child(number.also),
				"must not be set beside rehearsal."+number.name+", which says the same"))
		}
	}
	if ready := strategy.ImagePreDownloadMinUpdatedReadyPods; ready < 0 {
		errs = append(errs, field.Invalid(path.Child("imagePreDownloadMinUpdatedReadyPods"), ready, "must be 0 or more"))
	}
	return errs
}

func validatePositive(value *int32, path *field.Path) field.ErrorList {
	if value == nil || *value > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *value, "must be 1 or more")}
}
