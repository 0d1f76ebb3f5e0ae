package integration_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// A CloneSet that is edited faster than any pod can follow ends at the last edit, with the same pods, and without more
// writes than edits that somebody could see.
func TestEditedAHundredTimesDuringARollout(t *testing.T) {
	e := newEnv(t)
	e.created(4, setMaxUnavailable(intstr.FromInt32(2)))
	before := e.identities()
	const edits = 100
	for i := range edits {
		e.change(
			setImage(fmt.Sprintf("registry.example/web:v%d", 2+i%7)), setLabel("edit", fmt.Sprint(i)),
			setPartition(intstr.FromInt(i%5)), setPaused(i%3 == 0))
	}
	e.change(setImage("registry.example/web:last"), setPartition(intstr.FromInt32(0)), setPaused(false))
	e.untilComplete(app)
	e.untilReason(appsv1beta1.ReasonComplete, "4 of 4")
	e.expectIdentities(before)
	e.expectCount(4, "run the last image", runs("registry.example/web:last"))
	for _, pod := range e.view.Pods(app) {
		if state := pod.Annotations[appsv1beta1.InPlaceStateAnnotation]; len(state) > 4000 {
			t.Errorf("the state of pod %s has %d bytes", pod.Name, len(state))
		}
	}
	if writes := e.podWrites(); writes["patch"] > 4*(edits+1) || writes["create"] != 4 {
		t.Errorf("pods were written %v", writes)
	}
}

// A pod that loses the label by which the manager finds its pods, while no manager runs, gets it back from the next one.
// Its pods do not have the first names that a CloneSet gives: an attempt to give its name to another would find it.
func TestLabelTakenOffWhileNoManagerRuns(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(2, setMaxUnavailable(intstr.FromInt32(2)))
	e.change(setEnv("fast"))
	e.untilSettled()
	before, created := e.identities(), e.podWrites()["create"]
	pod := e.view.Pods(app)[0]
	e.restart(m, func() {
		e.edit(pod, func(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) })
	})
	e.untilKnown(pod, "has its label back", func(pod *corev1.Pod) bool {
		return pod.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
	})
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
	if now := e.podWrites()["create"]; now != created {
		t.Errorf("%d pods were created instead of it", now-created)
	}
}

// Pods with the label by which the manager finds its own, which are none of anybody's: they are left alone, but for one
// whose gate waits for somebody to open it.
func TestLabelledPodsWithoutOwner(t *testing.T) {
	e := newEnv(t)
	stray := func(name string, change func(*corev1.Pod)) *corev1.Pod {
		pod := e.probe(name)
		pod.Labels = map[string]string{
			appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue, appsv1beta1.RevisionLabel: "nobody-knows",
		}
		change(pod)
		e.must(e.client.Create(e.ctx, pod))
		return pod
	}
	plain := stray("plain", func(*corev1.Pod) {})
	broken := stray("broken", func(pod *corev1.Pod) {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, appsv1beta1.InPlaceStateAnnotation, "{")
	})
	gated := stray("gated", func(pod *corev1.Pod) {
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: appsv1beta1.InPlaceUpdateReady}}
	})
	e.untilKnown(gated, "is in service", framework.IsReady)
	e.created(2)
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectCount(2, "run the new image", runs(imageV2))
	for _, pod := range []*corev1.Pod{plain, broken, gated} {
		e.untilKnown(pod, "is as it was", func(now *corev1.Pod) bool {
			return now.Generation == pod.Generation && len(now.OwnerReferences) == 0 && now.DeletionTimestamp == nil
		})
	}
}
