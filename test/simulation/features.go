package simulation

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// spec is what users write.
type spec = appsv1beta1.CloneSetSpec

// feature is a part of the spec that a scenario may start with, and change.
type feature struct {
	name string
	draw func(t *rapid.T) func(*spec)
}

// isValid tells whether the API server takes a CloneSet.
func isValid(set *appsv1beta1.CloneSet) bool { return len(plan.Validate(set)) == 0 }

func number(t *rapid.T, name string, of ...string) *intstr.IntOrString {
	value := intstr.Parse(rapid.SampledFrom(of).Draw(t, name))
	return &value
}

// features are all parts of the spec but for the template and the number of replicas.
func features() []feature {
	return append([]feature{
		{"partition", func(t *rapid.T) func(*spec) {
			p := number(t, "partition", "0", "2", "50%", "99%", "1", "100%")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.Partition = p }
		}},
		{"maxUnavailable", func(t *rapid.T) func(*spec) {
			m := number(t, "maxUnavailable", "1", "2", "20%", "50%", "100%", "0")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.MaxUnavailable = m }
		}},
		{"maxSurge", func(t *rapid.T) func(*spec) {
			m := number(t, "maxSurge", "1", "2", "30%", "0")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.MaxSurge = m }
		}},
		{"maxSurge alone", func(t *rapid.T) func(*spec) {
			m := number(t, "maxSurge", "1", "2", "30%")
			return func(s *spec) {
				s.UpdateStrategy.RollingUpdate.MaxSurge = m
				s.UpdateStrategy.RollingUpdate.MaxUnavailable = new(intstr.FromInt32(0))
			}
		}},
		{"pause", func(t *rapid.T) func(*spec) {
			p := rapid.Bool().Draw(t, "paused")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.Paused = p }
		}},
		{"type", func(t *rapid.T) func(*spec) {
			kind := rapid.SampledFrom([]appsv1beta1.UpdateStrategyType{
				appsv1beta1.RollingUpdateStrategyType, appsv1beta1.OnDeleteStrategyType,
			}).Draw(t, "type")
			return func(s *spec) { s.UpdateStrategy.Type = kind }
		}},
		{"policy", func(t *rapid.T) func(*spec) {
			policy := rapid.SampledFrom([]appsv1beta1.PodUpdatePolicy{
				appsv1beta1.InPlaceIfPossiblePodUpdatePolicy, appsv1beta1.ReCreatePodUpdatePolicy,
				appsv1beta1.InPlaceOnlyPodUpdatePolicy,
			}).Draw(t, "podUpdatePolicy")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.PodUpdatePolicy = policy }
		}},
		{"times", func(t *rapid.T) func(*spec) {
			ready := rapid.SampledFrom([]int32{0, 2, 7}).Draw(t, "minReadySeconds")
			deadline := rapid.SampledFrom([]int32{600, 8, 2147483647}).Draw(t, "progressDeadlineSeconds")
			return func(s *spec) { s.MinReadySeconds, s.ProgressDeadlineSeconds = ready, &deadline }
		}},
		{"containers", containers},
		{"order", order},
	}, moreFeatures()...)
}

func moreFeatures() []feature {
	return []feature{
		{"hooks", hooks},
		{"drain", release},
		{"claims", func(t *rapid.T) func(*spec) {
			names := rapid.SampledFrom([][]string{{"data"}, {"data", "logs"}, nil}).Draw(t, "volumeClaimTemplates")
			reuse := rapid.Bool().Draw(t, "enablePVCReuse")
			return func(s *spec) {
				s.ScaleStrategy.EnablePVCReuse = reuse
				s.VolumeClaimTemplates = nil
				for _, name := range names {
					s.VolumeClaimTemplates = append(s.VolumeClaimTemplates, corev1.PersistentVolumeClaim{
						ObjectMeta: metav1.ObjectMeta{Name: name},
						Spec: corev1.PersistentVolumeClaimSpec{
							AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
							Resources: corev1.VolumeResourceRequirements{
								Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
							},
						},
					})
				}
			}
		}},
		{"scaling", func(t *rapid.T) func(*spec) {
			starting := number(t, "scaleStrategy.maxUnavailable", "1", "50%", "2")
			exclude := rapid.Bool().Draw(t, "excludePreparingDelete")
			return func(s *spec) {
				s.ScaleStrategy.MaxUnavailable, s.ScaleStrategy.ExcludePreparingDelete = starting, exclude
			}
		}},
		{"excludePreparingDelete", func(*rapid.T) func(*spec) {
			return func(s *spec) {
				s.ScaleStrategy.MaxUnavailable, s.ScaleStrategy.ExcludePreparingDelete = nil, !s.ScaleStrategy.ExcludePreparingDelete
			}
		}},
		{"grace", func(t *rapid.T) func(*spec) {
			grace := rapid.SampledFrom([]int32{0, 2, 3}).Draw(t, "gracePeriodSeconds")
			return func(s *spec) { s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = &grace }
		}},
		{"rehearsal", rehearsal},
		{"digests", digests},
		{"failurePolicy", failurePolicy},
		{"resources", resourcesUpdate},
		{"history", func(t *rapid.T) func(*spec) {
			limit := rapid.SampledFrom([]int32{0, 1, 10}).Draw(t, "revisionHistoryLimit")
			return func(s *spec) { s.RevisionHistoryLimit = &limit }
		}},
	}
}

// containers draws how single containers are updated.
func containers(t *rapid.T) func(*spec) {
	drains := []appsv1beta1.DrainPolicy{appsv1beta1.DrainRequired, appsv1beta1.DrainNotRequired}
	var updates []appsv1beta1.ContainerUpdate
	for _, name := range []string{main, shipper, sidecar} {
		updates = append(updates, appsv1beta1.ContainerUpdate{
			Name:     name,
			Priority: rapid.SampledFrom([]int32{0, 10, -5}).Draw(t, "priority of "+name),
			Drain:    rapid.SampledFrom(drains).Draw(t, "drain of "+name),
		})
	}
	return func(s *spec) {
		strategy := &s.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
		strategy.Containers = nil
		for _, c := range containersIn(&s.Template.Spec) {
			for _, update := range updates {
				if update.Name == c.Name {
					strategy.Containers = append(strategy.Containers, update)
				}
			}
		}
	}
}

// rehearsal draws how images are rehearsed.
func rehearsal(t *rapid.T) func(*spec) {
	drawn := appsv1beta1.Rehearsal{
		Policy: rapid.SampledFrom([]appsv1beta1.RehearsalPolicy{
			appsv1beta1.RehearseAlways, appsv1beta1.RehearseAlways, appsv1beta1.RehearseNever,
		}).Draw(t, "rehearsal.policy"),
		WhenImpossible: rapid.SampledFrom([]appsv1beta1.WhenImpossible{
			appsv1beta1.WaitWhenImpossible, appsv1beta1.WaitWhenImpossible, appsv1beta1.ProceedWhenImpossible,
		}).Draw(t, "rehearsal.whenImpossible"),
		Parallelism:    new(rapid.Int32Range(1, 3).Draw(t, "rehearsal.parallelism")),
		TimeoutSeconds: new(rapid.SampledFrom([]int32{5, 600}).Draw(t, "rehearsal.timeoutSeconds")),
	}
	ahead := rapid.Int32Range(0, 2).Draw(t, "imagePreDownloadMinUpdatedReadyPods")
	return func(s *spec) {
		inPlaceOf(s).Rehearsal, inPlaceOf(s).ImagePreDownloadMinUpdatedReadyPods = drawn, ahead
	}
}

// order draws which pods are updated first.
func order(t *rapid.T) func(*spec) {
	weight := rapid.Bool().Draw(t, "weightPriority")
	return func(s *spec) {
		priority := &appsv1beta1.PriorityStrategy{OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "rank"}}}
		if weight {
			priority = &appsv1beta1.PriorityStrategy{WeightPriority: []appsv1beta1.WeightPriorityTerm{
				{Weight: 20, MatchSelector: metav1.LabelSelector{MatchLabels: map[string]string{"rank": "1"}}},
			}}
		}
		s.UpdateStrategy.RollingUpdate.PriorityStrategy = priority
		s.UpdateStrategy.RollingUpdate.ScatterStrategy = []appsv1beta1.ScatterTerm{{Key: "rank", Value: "2"}}
	}
}

// hooks draws hooks, some of which are on the same labels, as those of a load balancer are.
func hooks(t *rapid.T) func(*spec) {
	hook := func(name string) *appsv1beta1.LifecycleHook {
		kind := rapid.IntRange(0, 4).Draw(t, name)
		h := &appsv1beta1.LifecycleHook{MarkPodNotReady: kind == 4 && name != "preNormal"}
		switch kind {
		case 0:
			return nil
		case 1:
			h.LabelsHandler = map[string]string{handlerDomain + "registered": rapid.SampledFrom([]string{"true", ""}).Draw(t, "value")}
		case 2:
			h.FinalizersHandler = []string{handlerDomain + name}
		default:
			h.LabelsHandler = map[string]string{handlerDomain + name: "true"}
			h.FinalizersHandler = []string{handlerDomain + "registered"}
		}
		return h
	}
	lifecycle := &appsv1beta1.Lifecycle{PreNormal: hook("preNormal"), InPlaceUpdate: hook("inPlaceUpdate"), PreDelete: hook("preDelete")}
	if *lifecycle == (appsv1beta1.Lifecycle{}) {
		lifecycle = nil
	}
	return func(s *spec) { s.Lifecycle = lifecycle }
}

// change draws an edit of the template or of the number of replicas.
func change(t *rapid.T) (what string, edit func(*spec)) {
	edits := []string{"image", "image", "image", "bad image", "label", "env", "replicas", "resources", "restart"}
	switch rapid.SampledFrom(edits).Draw(t, "edit") {
	case "image":
		image := rapid.SampledFrom([]string{"app:a", "app:b", "app:c", "app:a-again", "app:slow", "app:late", tip, loaded}).Draw(t, "image")
		return setImage(t, image)
	case "restart":
		return restartAll(t)
	case "bad image":
		return setImage(t, rapid.SampledFrom([]string{"app:missing", "app:crash"}).Draw(t, "image"))
	case "resources":
		return changeResources(t)
	case "label":
		value := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
		return "label tier=" + value, func(s *spec) { s.Template.Labels["tier"] = value }
	case "env":
		value := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "value")
		return "env X=" + value, func(s *spec) {
			s.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", Value: value}}
		}
	}
	n := rapid.Int32Range(0, 6).Draw(t, "replicas")
	return fmt.Sprintf("replicas %d", n), func(s *spec) { s.Replicas = &n }
}

func setImage(t *rapid.T, image string) (what string, edit func(*spec)) {
	names := rapid.SampledFrom([][]string{{main}, {main}, {shipper}, {sidecar}, {main, shipper, sidecar}}).Draw(t, "containers")
	return fmt.Sprintf("image %s of %v", image, names), func(s *spec) {
		for _, c := range containersIn(&s.Template.Spec) {
			for _, name := range names {
				if c.Name == name {
					c.Image = image
				}
			}
		}
	}
}
