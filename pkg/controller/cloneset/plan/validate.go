package plan

import (
	corev1 "k8s.io/api/core/v1"
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
	rolling, values := spec.Child("updateStrategy", "rollingUpdate"), &set.Spec.UpdateStrategy.RollingUpdate
	errs = append(errs, validateNumbers(set, spec, rolling)...)
	if _, err := partition(set); err != nil {
		errs = append(errs, field.Invalid(rolling.Child("partition"), values.Partition.String(), err.Error()))
	}
	if _, err := maxUnavailable(set); err != nil {
		errs = append(errs, field.Invalid(rolling.Child("maxUnavailable"), values.MaxUnavailable.String(), err.Error()))
	}
	errs = append(errs, validateSelector(set, spec.Child("selector"))...)
	return append(errs, validateTemplate(&set.Spec.Template.Spec, spec.Child("template", "spec"))...)
}

// validateNumbers refuses numbers below zero.
func validateNumbers(set *appsv1beta1.CloneSet, spec, rolling *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, number := range []struct {
		path  *field.Path
		value *int32
	}{
		{spec.Child("replicas"), set.Spec.Replicas},
		{spec.Child("revisionHistoryLimit"), set.Spec.RevisionHistoryLimit},
		{spec.Child("minReadySeconds"), &set.Spec.MinReadySeconds},
		{
			rolling.Child("inPlaceUpdateStrategy", "gracePeriodSeconds"),
			set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds,
		},
	} {
		if number.value != nil && *number.value < 0 {
			errs = append(errs, field.Invalid(number.path, *number.value, "must be 0 or more"))
		}
	}
	return errs
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
	}
	return nil
}

func validateTemplate(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Containers) == 0 {
		errs = append(errs, field.Required(path.Child("containers"), "must have at least one container"))
	}
	if spec.RestartPolicy != "" && spec.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(path.Child("restartPolicy"), spec.RestartPolicy, []string{"Always"}))
	}
	if spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(path.Child("activeDeadlineSeconds"), "must not be set"))
	}
	for i := range spec.Containers {
		here := path.Child("containers").Index(i)
		if spec.Containers[i].RestartPolicy != nil {
			errs = append(errs, field.Forbidden(here.Child("restartPolicy"), "must not be set on a container"))
		}
		errs = append(errs, validateRules(&spec.Containers[i], here)...)
	}
	for i := range spec.InitContainers {
		here := path.Child("initContainers").Index(i)
		policy := spec.InitContainers[i].RestartPolicy
		if policy != nil && *policy != corev1.ContainerRestartPolicyAlways {
			errs = append(errs, field.NotSupported(here.Child("restartPolicy"), *policy, []string{"Always"}))
		}
		errs = append(errs, validateRules(&spec.InitContainers[i], here)...)
	}
	return errs
}

func validateRules(c *corev1.Container, path *field.Path) field.ErrorList {
	if len(c.RestartPolicyRules) == 0 {
		return nil
	}
	return field.ErrorList{field.Forbidden(path.Child("restartPolicyRules"), "must not be set")}
}
