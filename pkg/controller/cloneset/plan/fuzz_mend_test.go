package plan

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// mendStrategies keeps which of the strategies, claims and hooks a spec has, and how many, and gives them valid values.
func mendStrategies(set *appsv1beta1.CloneSet) {
	spec := &set.Spec
	rolling := &spec.UpdateStrategy.RollingUpdate
	odd := len(rolling.PodUpdatePolicy)%2 == 1
	rolling.PodUpdatePolicy = []appsv1beta1.PodUpdatePolicy{
		appsv1beta1.InPlaceIfPossiblePodUpdatePolicy, appsv1beta1.InPlaceOnlyPodUpdatePolicy, appsv1beta1.ReCreatePodUpdatePolicy,
	}[len(rolling.PodUpdatePolicy)%3]
	spec.UpdateStrategy.Type = appsv1beta1.RollingUpdateStrategyType
	if odd {
		spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
	}
	mendLimit(&rolling.MaxSurge)
	mendLimit(&spec.ScaleStrategy.MaxUnavailable)
	if deadline := spec.ProgressDeadlineSeconds; deadline != nil {
		*deadline = math.MaxInt32
	}
	mendOrder(rolling)
	if drain := rolling.InPlaceUpdateStrategy.Drain; drain != nil {
		*drain = appsv1beta1.DrainStrategy{UntilCondition: "example.com/drained"}
	}
	rolling.InPlaceUpdateStrategy.Containers = nil
	mendRehearsal(&rolling.InPlaceUpdateStrategy)
	mendDigests(&rolling.InPlaceUpdateStrategy)
	mendLimit(&rolling.FailurePolicy.MaxFailed)
	rolling.FailurePolicy.Action = []appsv1beta1.FailureAction{
		appsv1beta1.PauseOnFailure, appsv1beta1.RollbackOnFailure, appsv1beta1.RecreateOnFailure,
	}[len(rolling.FailurePolicy.Action)%3]
	if rolling.PodUpdatePolicy == appsv1beta1.InPlaceOnlyPodUpdatePolicy {
		rolling.FailurePolicy.Action = appsv1beta1.PauseOnFailure
	}
	rolling.InPlaceUpdateStrategy.Resources = []appsv1beta1.ResourcesUpdate{
		appsv1beta1.ResizeForResources, appsv1beta1.RecreateForResources,
	}[len(rolling.InPlaceUpdateStrategy.Resources)%2]
	if odd {
		rolling.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{{Name: spec.Template.Spec.Containers[0].Name}}
	}
	for i := range spec.VolumeClaimTemplates {
		mendClaim(&spec.VolumeClaimTemplates[i], i)
	}
	mendLifecycle(spec.Lifecycle)
}

func mendRehearsal(strategy *appsv1beta1.InPlaceUpdateStrategy) {
	policies := []appsv1beta1.RehearsalPolicy{appsv1beta1.RehearseAlways, appsv1beta1.RehearseNever}
	ways := []appsv1beta1.WhenImpossible{appsv1beta1.WaitWhenImpossible, appsv1beta1.ProceedWhenImpossible}
	strategy.Rehearsal.Policy = policies[len(strategy.Rehearsal.Policy)%2]
	strategy.Rehearsal.WhenImpossible = ways[len(strategy.Rehearsal.WhenImpossible)%2]
	for _, number := range []*int32{
		strategy.Rehearsal.Parallelism, strategy.Rehearsal.TimeoutSeconds, &strategy.ImagePreDownloadMinUpdatedReadyPods,
	} {
		if number != nil {
			*number = 1 + *number&7
		}
	}
	strategy.ImagePreDownloadParallelism, strategy.ImagePreDownloadTimeoutSeconds = nil, nil
}

func mendDigests(strategy *appsv1beta1.InPlaceUpdateStrategy) {
	strategy.SameImage = []appsv1beta1.SameImage{appsv1beta1.RestartSameImage, appsv1beta1.SkipSameImage}[len(strategy.SameImage)%2]
	strategy.Pin = []appsv1beta1.PinPolicy{appsv1beta1.PinNone, appsv1beta1.PinDigest}[len(strategy.Pin)%2]
}

func mendLimit(value **intstr.IntOrString) {
	if *value != nil {
		*value = new(intstr.FromInt32(1 + (*value).IntVal&3))
	}
}

func mendOrder(rolling *appsv1beta1.RollingUpdate) {
	if priority := rolling.PriorityStrategy; priority != nil {
		*priority = appsv1beta1.PriorityStrategy{OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "order"}}}
	}
	for i := range rolling.ScatterStrategy {
		rolling.ScatterStrategy[i] = appsv1beta1.ScatterTerm{Key: "app", Value: fmt.Sprint("web", i)}
	}
}

func mendClaim(claim *corev1.PersistentVolumeClaim, i int) {
	claim.ObjectMeta = metav1.ObjectMeta{Name: fmt.Sprint("data-", i)}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
}

func mendLifecycle(lifecycle *appsv1beta1.Lifecycle) {
	if lifecycle == nil {
		return
	}
	for i, hook := range []*appsv1beta1.LifecycleHook{lifecycle.PreNormal, lifecycle.InPlaceUpdate, lifecycle.PreDelete} {
		if hook == nil {
			continue
		}
		marks := hook.MarkPodNotReady && i > 0
		*hook = appsv1beta1.LifecycleHook{
			LabelsHandler: map[string]string{"hook": "on"}, FinalizersHandler: []string{"example.com/hook"}, MarkPodNotReady: marks,
		}
	}
}
