package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const maxNameLength = 52

// Validate returns what is wrong with a CloneSet. The API server refuses the same at admission; this is for what was
// stored before it did.
func Validate(set *appsv1beta1.CloneSet) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	if len(set.Name) > maxNameLength {
		errs = append(errs, field.TooLong(field.NewPath("metadata", "name"), set.Name, maxNameLength))
	}
	errs = append(errs, validateNumbers(set, spec)...)
	errs = append(errs, validateLimits(set, spec)...)
	errs = append(errs, validateSelector(set, spec.Child("selector"))...)
	errs = append(errs, validateMetadata(&set.Spec.Template.ObjectMeta, spec.Child("template", "metadata"))...)
	errs = append(errs, validateTemplate(&set.Spec.Template.Spec, spec.Child("template", "spec"))...)
	errs = append(errs, validateClaims(set.Spec.VolumeClaimTemplates, spec.Child("volumeClaimTemplates"))...)
	errs = append(errs, validateUpdate(set, spec.Child("updateStrategy"))...)
	return append(errs, validateLifecycle(set, spec.Child("lifecycle"))...)
}

func validateSelector(set *appsv1beta1.CloneSet, path *field.Path) field.ErrorList {
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, set.Spec.Selector, err.Error())}
	case selector.Empty():
		return field.ErrorList{field.Required(path, "must not be empty")}
	case !selector.Matches(labels.Set(set.Spec.Template.Labels)):
		return field.ErrorList{field.Invalid(path, selector.String(), "must match the labels of spec.template.metadata.labels")}
	case selects(set.Spec.Selector, appsv1beta1.RevisionLabel):
		return field.ErrorList{field.Forbidden(path, "must not use "+appsv1beta1.RevisionLabel+", which changes with every update")}
	}
	return nil
}

// selects tells whether a selector is about a label.
func selects(selector *metav1.LabelSelector, key string) bool {
	if selector == nil {
		return false
	}
	if _, found := selector.MatchLabels[key]; found {
		return true
	}
	for _, expression := range selector.MatchExpressions {
		if expression.Key == key {
			return true
		}
	}
	return false
}
