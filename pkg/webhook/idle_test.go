package webhook

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func TestSettingsWithoutEffectAreWarnedOf(t *testing.T) {
	const rolling = "spec.updateStrategy.rollingUpdate"
	for name, test := range map[string]struct {
		change func(*appsv1beta1.CloneSetSpec)
		want   []string
	}{
		"nothing but defaults": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt32(0))
			s.UpdateStrategy.RollingUpdate.MaxSurge = new(intstr.FromString("0%"))
			s.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
		}, nil},
		"a partition and a surge of a rolling update": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt32(1))
			s.UpdateStrategy.RollingUpdate.MaxSurge = new(intstr.FromInt32(1))
			s.UpdateStrategy.RollingUpdate.Paused = true
		}, nil},
		"OnDelete, with what is for rolling updates": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType
			s.UpdateStrategy.RollingUpdate = appsv1beta1.RollingUpdate{
				Partition: new(intstr.FromString("50%")), MaxSurge: new(intstr.FromInt32(1)), MaxUnavailable: new(intstr.FromInt32(2)),
				Paused: true, PriorityStrategy: &appsv1beta1.PriorityStrategy{}, ScatterStrategy: []appsv1beta1.ScatterTerm{{Key: "a", Value: "b"}},
			}
		}, []string{rolling + ": no effect of maxSurge, partition, paused, priorityStrategy, scatterStrategy while" +
			" spec.updateStrategy.type is OnDelete: no pod is updated but by being deleted"}},
		"ReCreate, with containers that are updated in order": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.ReCreatePodUpdatePolicy
			s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{{Name: "web", Priority: 1}}
		}, []string{rolling + ".inPlaceUpdateStrategy: no effect of containers while podUpdatePolicy is ReCreate: no pod is updated in place"}},
		"ReCreate, with what is said of drains, rehearsals and digests": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.ReCreatePodUpdatePolicy
			s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy = appsv1beta1.InPlaceUpdateStrategy{
				Drain: &appsv1beta1.DrainStrategy{}, GracePeriodSeconds: new(int32(30)), SameImage: appsv1beta1.SkipSameImage,
				Rehearsal: appsv1beta1.Rehearsal{Parallelism: new(int32(3))}, Pin: appsv1beta1.PinDigest,
			}
		}, []string{rolling + ".inPlaceUpdateStrategy: no effect of drain, gracePeriodSeconds, rehearsal.parallelism, sameImage while" +
			" podUpdatePolicy is ReCreate: no pod is updated in place"}},
		"ReCreate, with the grace period by default": {func(s *appsv1beta1.CloneSetSpec) {
			s.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.ReCreatePodUpdatePolicy
			s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32(appsv1beta1.DefaultGracePeriodSeconds))
		}, nil},
		"no rehearsals, with settings of them": {func(s *appsv1beta1.CloneSetSpec) {
			strategy := &s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
			strategy.Rehearsal = appsv1beta1.Rehearsal{
				Policy: appsv1beta1.RehearseNever, Parallelism: new(int32(3)), TimeoutSeconds: new(int32(3)),
				WhenImpossible: appsv1beta1.ProceedWhenImpossible,
			}
			strategy.ImagePreDownloadMinUpdatedReadyPods = 2
		}, []string{rolling + ".inPlaceUpdateStrategy: no effect of imagePreDownloadMinUpdatedReadyPods, rehearsal.parallelism," +
			" rehearsal.timeoutSeconds, rehearsal.whenImpossible while rehearsal.policy is Never: images are not pulled ahead"}},
		"no rehearsals, with the peer's names": {func(s *appsv1beta1.CloneSetSpec) {
			strategy := &s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
			strategy.Rehearsal.Policy, strategy.Rehearsal.WhenImpossible = appsv1beta1.RehearseNever, appsv1beta1.WaitWhenImpossible
			strategy.ImagePreDownloadParallelism, strategy.ImagePreDownloadTimeoutSeconds = new(int32(1)), new(int32(1))
		}, []string{rolling + ".inPlaceUpdateStrategy: no effect of imagePreDownloadParallelism, imagePreDownloadTimeoutSeconds while" +
			" rehearsal.policy is Never: images are not pulled ahead"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := &appsv1beta1.CloneSet{}
			after := before.DeepCopy()
			test.change(&after.Spec)
			if diff := cmp.Diff(test.want, []string(newlyIdle(before, after)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if again := newlyIdle(after, after.DeepCopy()); len(again) > 0 {
				t.Errorf("told again: %v", again)
			}
		})
	}
}
