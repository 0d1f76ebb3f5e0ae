package plan

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// validateUpdate refuses what the update strategy says of labels and containers that there cannot be.
func validateUpdate(set *appsv1beta1.CloneSet, path *field.Path) field.ErrorList {
	errs := validateEnums(&set.Spec.UpdateStrategy, path)
	rolling := path.Child("rollingUpdate")
	values := &set.Spec.UpdateStrategy.RollingUpdate
	errs = append(errs, validatePriority(values.PriorityStrategy, rolling.Child("priorityStrategy"))...)
	errs = append(errs, validateScatter(values.ScatterStrategy, rolling.Child("scatterStrategy"))...)
	inPlace := rolling.Child("inPlaceUpdateStrategy")
	errs = append(errs, validateDrain(values.InPlaceUpdateStrategy.Drain, inPlace.Child("drain"))...)
	errs = append(errs, validateResources(values.InPlaceUpdateStrategy.Resources, inPlace.Child("resources"))...)
	errs = append(errs, validateRehearsal(&values.InPlaceUpdateStrategy, inPlace)...)
	errs = append(errs, validateDigests(&values.InPlaceUpdateStrategy, inPlace)...)
	return append(errs, validateContainerUpdates(set, inPlace.Child("containers"))...)
}

// validateEnums takes an empty value for the default.
func validateEnums(strategy *appsv1beta1.CloneSetUpdateStrategy, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	types := []appsv1beta1.UpdateStrategyType{appsv1beta1.RollingUpdateStrategyType, appsv1beta1.OnDeleteStrategyType}
	if strategy.Type != "" && !slices.Contains(types, strategy.Type) {
		errs = append(errs, field.NotSupported(path.Child("type"), strategy.Type, types))
	}
	policies := []appsv1beta1.PodUpdatePolicy{
		appsv1beta1.ReCreatePodUpdatePolicy, appsv1beta1.InPlaceIfPossiblePodUpdatePolicy, appsv1beta1.InPlaceOnlyPodUpdatePolicy,
	}
	if policy := strategy.RollingUpdate.PodUpdatePolicy; policy != "" && !slices.Contains(policies, policy) {
		errs = append(errs, field.NotSupported(path.Child("rollingUpdate", "podUpdatePolicy"), policy, policies))
	}
	return append(errs, validateFailures(&strategy.RollingUpdate, path.Child("rollingUpdate", "failurePolicy", "action"))...)
}

// validateFailures refuses an action that there is not, and one that the policy does not allow.
func validateFailures(rolling *appsv1beta1.RollingUpdate, path *field.Path) field.ErrorList {
	actions := []appsv1beta1.FailureAction{
		appsv1beta1.PauseOnFailure, appsv1beta1.RollbackOnFailure, appsv1beta1.RecreateOnFailure,
	}
	switch action := rolling.FailurePolicy.Action; {
	case action != "" && !slices.Contains(actions, action):
		return field.ErrorList{field.NotSupported(path, action, actions)}
	case action == appsv1beta1.RecreateOnFailure && rolling.PodUpdatePolicy == appsv1beta1.InPlaceOnlyPodUpdatePolicy:
		return field.ErrorList{field.Invalid(path, action,
			"must not be Recreate with podUpdatePolicy InPlaceOnly, which never replaces a pod")}
	}
	return nil
}

func validatePriority(priority *appsv1beta1.PriorityStrategy, path *field.Path) field.ErrorList {
	if priority == nil {
		return nil
	}
	var errs field.ErrorList
	if (len(priority.WeightPriority) > 0) == (len(priority.OrderPriority) > 0) {
		errs = append(errs, field.Forbidden(path, "must have either weightPriority or orderPriority, and not both"))
	}
	for i := range priority.WeightPriority {
		here, term := path.Child("weightPriority").Index(i), &priority.WeightPriority[i]
		if term.Weight < 0 || term.Weight > 100 {
			errs = append(errs, field.Invalid(here.Child("weight"), term.Weight, "must be from 0 to 100"))
		}
		if _, err := metav1.LabelSelectorAsSelector(&term.MatchSelector); err != nil {
			errs = append(errs, field.Invalid(here.Child("matchSelector"), metav1.FormatLabelSelector(&term.MatchSelector), err.Error()))
		}
	}
	for i, term := range priority.OrderPriority {
		errs = append(errs, validateKey(term.OrderedKey, path.Child("orderPriority").Index(i).Child("orderedKey"))...)
	}
	return errs
}

// validateDrain refuses a condition without a prefix: Kubernetes sets those itself, and the cache does not hold them.
func validateDrain(drain *appsv1beta1.DrainStrategy, path *field.Path) field.ErrorList {
	if drain == nil {
		return nil
	}
	condition := path.Child("untilCondition")
	errs := validateKey(drain.UntilCondition, condition)
	if !strings.Contains(drain.UntilCondition, "/") {
		errs = append(errs, field.Invalid(condition, drain.UntilCondition,
			"must have a prefix, as in example.com/drained: those without one are set by Kubernetes itself"))
	}
	return errs
}

func validateScatter(terms []appsv1beta1.ScatterTerm, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[appsv1beta1.ScatterTerm]bool{}
	for i, term := range terms {
		here := path.Index(i)
		errs = append(errs, validateLabel(term.Key, term.Value, here.Child("key"), here.Child("value"))...)
		if seen[term] {
			errs = append(errs, field.Duplicate(here, term.Key+"="+term.Value))
		}
		seen[term] = true
	}
	return errs
}

// validateContainerUpdates refuses settings of containers that the template does not have, or that are never updated in
// place.
func validateContainerUpdates(set *appsv1beta1.CloneSet, path *field.Path) field.ErrorList {
	known, named := map[string]bool{}, map[string]bool{}
	for i := range set.Spec.Template.Spec.Containers {
		known[set.Spec.Template.Spec.Containers[i].Name] = true
	}
	for i := range set.Spec.Template.Spec.InitContainers {
		if c := &set.Spec.Template.Spec.InitContainers[i]; c.RestartPolicy != nil {
			known[c.Name] = true
		}
	}
	var errs field.ErrorList
	drains := []appsv1beta1.DrainPolicy{appsv1beta1.DrainRequired, appsv1beta1.DrainNotRequired}
	for i, update := range set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers {
		here := path.Index(i)
		switch {
		case !known[update.Name]:
			errs = append(errs, field.Invalid(here.Child("name"), update.Name,
				"must name a container, or a native sidecar, of spec.template"))
		case named[update.Name]:
			errs = append(errs, field.Duplicate(here.Child("name"), update.Name))
		}
		named[update.Name] = true
		if update.Drain != "" && !slices.Contains(drains, update.Drain) {
			errs = append(errs, field.NotSupported(here.Child("drain"), update.Drain, drains))
		}
	}
	return errs
}

func validateKey(key string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, wrong := range validation.IsQualifiedName(key) {
		errs = append(errs, field.Invalid(path, key, wrong))
	}
	return errs
}

func validateLabel(key, value string, keyPath, valuePath *field.Path) field.ErrorList {
	errs := validateKey(key, keyPath)
	for _, wrong := range validation.IsValidLabelValue(value) {
		errs = append(errs, field.Invalid(valuePath, value, wrong))
	}
	return errs
}
