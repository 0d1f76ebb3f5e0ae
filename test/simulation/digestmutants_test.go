package simulation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// digestMutants are broken in what they make of digests and restarts.
func digestMutants() map[string]mutant {
	return map[string]mutant{
		"a restart is taken for a change of annotations": {withoutRestarts, "I8"},
		"what is the same is skipped, unasked":           {seeing(func(s *spec) { inPlaceOf(s).SameImage = appsv1beta1.SkipSameImage }), "I8"},
		"every node finds out for itself":                {seeing(func(s *spec) { inPlaceOf(s).Pin = appsv1beta1.PinNone }), "I13"},
		"what is pinned is not recorded":                 {neverAgain(plan.Pin), "I6"},
		"pins are forgotten":                             {forgettingPins, "I13"},
	}
}

// withoutRestarts sees no template that asks for a restart.
func withoutRestarts(in plan.Input) plan.Plan {
	forget := func(template *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
		template = template.DeepCopy()
		delete(template.Annotations, appsv1beta1.RestartedAtAnnotation)
		return template
	}
	templates := map[string]*corev1.PodTemplateSpec{}
	for name, template := range in.Revisions.Templates {
		templates[name] = forget(template)
	}
	in.Revisions.Templates = templates
	in.Revisions.Update.Template = forget(in.Revisions.Update.Template)
	return plan.Compute(in)
}

// forgettingPins takes what is recorded on a revision for images that cannot be pinned.
func forgettingPins(in plan.Input) plan.Plan {
	in.Revisions.History = slices.Clone(in.Revisions.History)
	for i, revision := range in.Revisions.History {
		if revision.Annotations[appsv1beta1.DigestsAnnotation] != "" {
			in.Revisions.History[i] = revision.DeepCopy()
			in.Revisions.History[i].Annotations[appsv1beta1.DigestsAnnotation] = `{"app:a":"","app:b":"","app:c":"","app:tip":"","log:1":""}`
		}
	}
	return plan.Compute(in)
}
