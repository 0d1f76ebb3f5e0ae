package integration_test

import (
	"fmt"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// A HorizontalPodAutoscaler brings a CloneSet to its least and to its greatest number of pods; there are no metrics, by
// which it would choose one in between. It asks for them though, so that it must have taken the selector.
func TestHorizontalPodAutoscaler(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	e.autoscale(3, 4)
	e.untilScaledTo(3)
	e.untilAutoscaler(autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale")
	e.untilAutoscaler(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetResourceMetric")
	e.change(setReplicas(6))
	e.untilScaledTo(4)
}

// In the middle of a rollout the pods that are added are of the new template, and those that were there are updated in
// place.
func TestHorizontalPodAutoscalerInARollout(t *testing.T) {
	e := newEnv(t)
	e.created(2, setGrace(forEver))
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilPod("is drained", isDraining)
	e.autoscale(4, 8)
	e.untilSet("not scaled", func(set *appsv1beta1.CloneSet) bool {
		return *set.Spec.Replicas == 4 && set.Status.AvailableReplicas == 3 && set.Status.UpdatedAvailableReplicas == 2
	})
	e.expectCount(2, "were added with the new image", runs(imageV2))
	e.change(setGrace(0))
	e.untilComplete(app)
	after := e.identities()
	for name, pod := range before {
		if after[name] != pod {
			t.Errorf("pod %s was %+v and is %+v", name, pod, after[name])
		}
	}
}

// autoscale creates a HorizontalPodAutoscaler for the test's CloneSet.
func (e *env) autoscale(least, most int32) {
	e.Helper()
	e.must(e.client.Create(e.ctx, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: appsv1beta1.GroupVersion.String(), Kind: appsv1beta1.CloneSetKind.Kind, Name: app,
			},
			MinReplicas: &least, MaxReplicas: most,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name: corev1.ResourceCPU,
					Target: autoscalingv2.MetricTarget{
						Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80)),
					},
				},
			}},
		},
	}))
}

// untilScaledTo waits until somebody has asked for a number of pods and they are available.
func (e *env) untilScaledTo(replicas int32) {
	e.Helper()
	e.untilSet(fmt.Sprintf("not scaled to %d", replicas), func(set *appsv1beta1.CloneSet) bool {
		return *set.Spec.Replicas == replicas && set.Status.Replicas == replicas && set.Status.AvailableReplicas == replicas
	})
}

// untilAutoscaler waits for a condition of the test's HorizontalPodAutoscaler.
func (e *env) untilAutoscaler(kind autoscalingv2.HorizontalPodAutoscalerConditionType, want corev1.ConditionStatus, reason string) {
	e.Helper()
	e.poll(func() (bool, string) {
		autoscaler := &autoscalingv2.HorizontalPodAutoscaler{}
		e.must(e.client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, autoscaler))
		for _, c := range autoscaler.Status.Conditions {
			if c.Type == kind && c.Status == want && c.Reason == reason {
				return true, ""
			}
		}
		return false, fmt.Sprintf("want %s %s %s, have %+v", kind, want, reason, autoscaler.Status.Conditions)
	})
}
