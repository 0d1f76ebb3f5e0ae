package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// validateDigests refuses words that mean nothing.
func validateDigests(strategy *appsv1beta1.InPlaceUpdateStrategy, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	same := []appsv1beta1.SameImage{appsv1beta1.RestartSameImage, appsv1beta1.SkipSameImage}
	if strategy.SameImage != "" && !slices.Contains(same, strategy.SameImage) {
		errs = append(errs, field.NotSupported(path.Child("sameImage"), strategy.SameImage, same))
	}
	pins := []appsv1beta1.PinPolicy{appsv1beta1.PinNone, appsv1beta1.PinDigest}
	if strategy.Pin != "" && !slices.Contains(pins, strategy.Pin) {
		errs = append(errs, field.NotSupported(path.Child("pin"), strategy.Pin, pins))
	}
	return errs
}
