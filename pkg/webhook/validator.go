package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

const onlyInPlace = "cannot be changed in place, and podUpdatePolicy is InPlaceOnly"

// Validator decides on CloneSets.
type Validator struct {
	// Pods makes pods, as JSON and with strict field validation. It is asked for dry runs only.
	Pods client.Writer
	// Revisions reads past the cache.
	Revisions client.Reader
}

var _ admission.Validator[*appsv1beta1.CloneSet] = &Validator{}

// ValidateCreate refuses a CloneSet that contradicts itself, or of whose template the API server makes no pod.
func (v *Validator) ValidateCreate(ctx context.Context, set *appsv1beta1.CloneSet) (admission.Warnings, error) {
	if errs := plan.Validate(set); len(errs) > 0 {
		return nil, invalid(set, errs)
	}
	warnings, err := v.try(ctx, set)
	if err != nil {
		return nil, err
	}
	return append(idle(set), warnings...), nil
}

// ValidateUpdate refuses what a change makes worse. What was wrong before stays admitted, so that a CloneSet that was
// stored before a rule existed can still be scaled, paused and set back. The template is tried out only if the pods that
// would be made of it differ.
func (v *Validator) ValidateUpdate(ctx context.Context, before, after *appsv1beta1.CloneSet) (admission.Warnings, error) {
	if after.DeletionTimestamp != nil {
		return nil, nil // Its finalizers have to go.
	}
	if errs := added(plan.Validate(before), plan.Validate(after)); len(errs) > 0 {
		return nil, invalid(after, errs)
	}
	warnings, err := v.judgeChange(ctx, before, after)
	if err != nil {
		return nil, err
	}
	warnings = append(newlyIdle(before, after), warnings...)
	if samePod(before, after) {
		return warnings, nil
	}
	more, err := v.try(ctx, after)
	if err != nil {
		return nil, err
	}
	return append(warnings, more...), nil
}

// ValidateDelete refuses nothing: a policy protects CloneSets, and needs no webhook for it.
func (*Validator) ValidateDelete(context.Context, *appsv1beta1.CloneSet) (admission.Warnings, error) {
	return nil, nil
}

// added returns the errors that there were none of before.
func added(before, after field.ErrorList) field.ErrorList {
	known := map[string]bool{}
	for _, err := range before {
		known[err.Error()] = true
	}
	return slices.DeleteFunc(after, func(err *field.Error) bool { return known[err.Error()] })
}

// judgeChange says what becomes of the pods at a change of the template, if that is not what most people expect of it.
func (v *Validator) judgeChange(ctx context.Context, before, after *appsv1beta1.CloneSet) (admission.Warnings, error) {
	if after.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType {
		return nil, nil
	}
	change := inplace.Compare(&before.Spec.Template, &after.Spec.Template)
	policy := after.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy
	switch {
	case policy == appsv1beta1.ReCreatePodUpdatePolicy:
		return nil, nil
	case change.InPlace():
		return append(latent(&change), asking(&change, after)...), nil
	case policy != appsv1beta1.InPlaceOnlyPodUpdatePolicy:
		return admission.Warnings{change.Field + ": cannot be changed in place, so that pods are replaced"}, nil
	}
	carried, err := v.carriedFromStable(ctx, before, &after.Spec.Template)
	switch {
	case err != nil:
		return admission.Warnings{fmt.Sprintf("%s: cannot be changed in place unless the pods never had it: %v", change.Field, err)}, nil
	case carried:
		return nil, nil
	}
	return nil, invalid(after, field.ErrorList{field.Forbidden(field.NewPath(change.Field), onlyInPlace)})
}

// carriedFromStable tells whether a template can be reached in place from the stable revision. If it can, it is the way
// back from a template that slipped in and that no pod ever ran.
func (v *Validator) carriedFromStable(
	ctx context.Context, set *appsv1beta1.CloneSet, template *corev1.PodTemplateSpec,
) (bool, error) {
	if set.Status.CurrentRevision == "" || set.Status.CurrentRevision == set.Status.UpdateRevision {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	stored := &appsv1.ControllerRevision{}
	err := v.Revisions.Get(ctx, client.ObjectKey{Namespace: set.Namespace, Name: set.Status.CurrentRevision}, stored)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	stable, err := revision.Decode(stored)
	if err != nil {
		return false, err
	}
	change := inplace.Compare(stable, template)
	return change.InPlace(), nil
}

// latent warns of images that no running pod is going to use.
func latent(change *inplace.Change) admission.Warnings {
	if names := change.Latent(); len(names) > 0 {
		return admission.Warnings{"spec.template.spec.initContainers: a new image of " + strings.Join(names, ", ") +
			" takes effect when the sandbox of a pod starts the next time"}
	}
	return nil
}

// asking warns of images whose rehearsal proves less, since the kubelet asks the registry again when the old container is
// stopped already.
func asking(change *inplace.Change, set *appsv1beta1.CloneSet) admission.Warnings {
	if set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal.Policy == appsv1beta1.RehearseNever {
		return nil
	}
	var names []string
	spec := &set.Spec.Template.Spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		restarts := func(i inplace.Image) bool { return i.Container == c.Name && i.Restarts }
		if inplace.AsksAlways(&c) && slices.ContainsFunc(change.Images, restarts) {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return admission.Warnings{"spec.template.spec: the image pull policy of " + strings.Join(names, ", ") +
		" is Always: the registry is asked again when the old container is stopped, and has to answer then"}
}

func invalid(set *appsv1beta1.CloneSet, errs field.ErrorList) error {
	return apierrors.NewInvalid(appsv1beta1.CloneSetKind.GroupKind(), set.Name, errs)
}
