package plan

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// ownDomain begins the labels that belong to the controller.
const ownDomain = "apps.insitu.dev/"

// validateLifecycle refuses hooks that wait for nothing, or for what they must not touch.
func validateLifecycle(set *appsv1beta1.CloneSet, path *field.Path) field.ErrorList {
	lifecycle := set.Spec.Lifecycle
	if lifecycle == nil {
		return nil
	}
	var errs field.ErrorList
	for _, hook := range []struct {
		name string
		hook *appsv1beta1.LifecycleHook
	}{
		{"preNormal", lifecycle.PreNormal}, {"inPlaceUpdate", lifecycle.InPlaceUpdate}, {"preDelete", lifecycle.PreDelete},
	} {
		if hook.hook != nil {
			errs = append(errs, validateHook(set, hook.hook, path.Child(hook.name))...)
		}
	}
	if lifecycle.PreNormal != nil && lifecycle.PreNormal.MarkPodNotReady {
		errs = append(errs, field.Forbidden(path.Child("preNormal", "markPodNotReady"), "must not be set"))
	}
	return errs
}

func validateHook(set *appsv1beta1.CloneSet, hook *appsv1beta1.LifecycleHook, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(hook.LabelsHandler) == 0 && len(hook.FinalizersHandler) == 0 {
		errs = append(errs, field.Required(path, "must have a label or a finalizer"))
	}
	handler := path.Child("labelsHandler")
	for _, key := range slices.Sorted(maps.Keys(hook.LabelsHandler)) {
		errs = append(errs, validateLabel(key, hook.LabelsHandler[key], handler, handler.Key(key))...)
		switch {
		case isOwn(key):
			errs = append(errs, field.Forbidden(handler.Key(key), "must not be a label of the controller's"))
		case selects(set.Spec.Selector, key):
			errs = append(errs, field.Forbidden(handler.Key(key), "must not be a label of spec.selector"))
		}
	}
	for i, finalizer := range hook.FinalizersHandler {
		here := path.Child("finalizersHandler").Index(i)
		errs = append(errs, validateKey(finalizer, here)...)
		if !strings.Contains(finalizer, "/") {
			errs = append(errs, field.Invalid(here, finalizer, "must be a name with a domain, such as example.com/deregister"))
		}
	}
	return errs
}
