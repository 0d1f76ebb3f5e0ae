package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// idle warns of settings that have no effect beside another one. A value that is the default is none: nobody has to have
// set it.
func idle(set *appsv1beta1.CloneSet) admission.Warnings {
	rolling := &set.Spec.UpdateStrategy.RollingUpdate
	inPlace := &rolling.InPlaceUpdateStrategy
	var warnings admission.Warnings
	for _, rule := range []struct {
		holds  bool
		path   string
		fields map[string]bool
		beside string
	}{
		{
			set.Spec.UpdateStrategy.Type == appsv1beta1.OnDeleteStrategyType, "spec.updateStrategy.rollingUpdate",
			map[string]bool{
				"partition": isSet(rolling.Partition), "maxSurge": isSet(rolling.MaxSurge), "paused": rolling.Paused,
				"priorityStrategy": rolling.PriorityStrategy != nil, "scatterStrategy": len(rolling.ScatterStrategy) > 0,
			},
			"spec.updateStrategy.type is OnDelete: no pod is updated but by being deleted",
		},
		{
			rolling.PodUpdatePolicy == appsv1beta1.ReCreatePodUpdatePolicy,
			"spec.updateStrategy.rollingUpdate.inPlaceUpdateStrategy",
			merged(rehearsalSettings(inPlace), map[string]bool{
				"containers": len(inPlace.Containers) > 0, "drain": inPlace.Drain != nil,
				"gracePeriodSeconds": !isDefaultGrace(inPlace.GracePeriodSeconds),
				"sameImage":          inPlace.SameImage == appsv1beta1.SkipSameImage,
			}),
			"podUpdatePolicy is ReCreate: no pod is updated in place",
		},
		{
			inPlace.Rehearsal.Policy == appsv1beta1.RehearseNever, "spec.updateStrategy.rollingUpdate.inPlaceUpdateStrategy",
			rehearsalSettings(inPlace),
			"rehearsal.policy is Never: images are not pulled ahead",
		},
	} {
		if names := namesOf(rule.fields); rule.holds && len(names) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: no effect of %s while %s", rule.path, strings.Join(names, ", "), rule.beside))
		}
	}
	return warnings
}

// rehearsalSettings tells which settings of rehearsals there are.
func rehearsalSettings(inPlace *appsv1beta1.InPlaceUpdateStrategy) map[string]bool {
	return map[string]bool{
		"rehearsal.parallelism":               inPlace.Rehearsal.Parallelism != nil,
		"rehearsal.timeoutSeconds":            inPlace.Rehearsal.TimeoutSeconds != nil,
		"rehearsal.whenImpossible":            inPlace.Rehearsal.WhenImpossible == appsv1beta1.ProceedWhenImpossible,
		"imagePreDownloadParallelism":         inPlace.ImagePreDownloadParallelism != nil,
		"imagePreDownloadTimeoutSeconds":      inPlace.ImagePreDownloadTimeoutSeconds != nil,
		"imagePreDownloadMinUpdatedReadyPods": inPlace.ImagePreDownloadMinUpdatedReadyPods > 0,
	}
}

func isDefaultGrace(seconds *int32) bool {
	return seconds == nil || *seconds == appsv1beta1.DefaultGracePeriodSeconds
}

func merged(a, b map[string]bool) map[string]bool {
	maps.Copy(a, b)
	return a
}

// newlyIdle returns the warnings that there were none of before a change: who scales a CloneSet is not told again and again.
func newlyIdle(before, after *appsv1beta1.CloneSet) admission.Warnings {
	known := idle(before)
	return slices.DeleteFunc(idle(after), func(text string) bool { return slices.Contains(known, text) })
}

func namesOf(set map[string]bool) []string {
	var names []string
	for name, isSet := range set {
		if isSet {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func isSet(value *intstr.IntOrString) bool {
	return value != nil && *value != intstr.FromInt32(0) && *value != intstr.FromString("0%")
}
