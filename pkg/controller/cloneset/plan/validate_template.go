package plan

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func validateTemplate(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Containers) == 0 {
		errs = append(errs, field.Required(path.Child("containers"), "must have at least one container"))
	}
	if spec.RestartPolicy != "" && spec.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(path.Child("restartPolicy"), spec.RestartPolicy, []string{"Always"}))
	}
	if spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(path.Child("activeDeadlineSeconds"),
			"must not be set: the pods of a CloneSet run until they are deleted"))
	}
	for i := range spec.Containers {
		here := path.Child("containers").Index(i)
		if spec.Containers[i].RestartPolicy != nil {
			errs = append(errs, field.Forbidden(here.Child("restartPolicy"),
				"must not be set on a container: only on an init container, with the value Always"))
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
	return field.ErrorList{field.Forbidden(path.Child("restartPolicyRules"),
		"must not be set: restarts belong to the in-place update")}
}

// validateMetadata refuses labels and annotations that belong to the controller: what they say of a pod would be wrong.
func validateMetadata(meta *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, entries := range map[string]map[string]string{"labels": meta.Labels, "annotations": meta.Annotations} {
		for key := range entries {
			if isOwn(key) {
				errs = append(errs, field.Forbidden(path.Child(name).Key(key), "belongs to the controller: take it out of the template"))
			}
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

// isOwn tells whether a label or an annotation of pods belongs to the controller.
func isOwn(key string) bool {
	return key == appsv1beta1.RevisionLabel || strings.HasPrefix(key, ownDomain)
}

// validateClaims asks for what a claim needs and for names that volumes can have. Whether the API server takes the rest
// is found out when a claim is made.
func validateClaims(claims []corev1.PersistentVolumeClaim, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range claims {
		here, claim := path.Index(i), &claims[i]
		name := here.Child("metadata", "name")
		switch wrong := validation.IsDNS1123Label(claim.Name); {
		case claim.Name == "":
			errs = append(errs, field.Required(name, "is the name of the pod's volume"))
		case len(wrong) > 0:
			errs = append(errs, field.Invalid(name, claim.Name, wrong[0]))
		case names[claim.Name]:
			errs = append(errs, field.Duplicate(name, claim.Name))
		}
		names[claim.Name] = true
		if len(claim.Spec.AccessModes) == 0 {
			errs = append(errs, field.Required(here.Child("spec", "accessModes"), "must have an access mode, such as ReadWriteOnce"))
		}
		if _, found := claim.Spec.Resources.Requests[corev1.ResourceStorage]; !found {
			storage := here.Child("spec", "resources", "requests", "storage")
			errs = append(errs, field.Required(storage, "must say how large the volume is to be"))
		}
	}
	return errs
}
