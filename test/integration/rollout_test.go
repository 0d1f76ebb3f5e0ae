package integration_test

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const changedEnv = "spec.template.spec.containers[0].env"

func TestUpdatesInPlace(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(3, "run the new image", runs(imageV2))
	set := e.untilReason(appsv1beta1.ReasonComplete, "3 of 3")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse)
	if set.Status.CurrentRevision != set.Status.UpdateRevision || set.Status.RecreateField != "" {
		t.Errorf("status %+v", set.Status)
	}
}

func TestUpdatesSidecarAlone(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	before := map[string][2]string{}
	untouched := func(pod *corev1.Pod) [2]string {
		return [2]string{containerID(pod, framework.MainContainer), containerID(pod, framework.HelperContainer)}
	}
	sidecars := map[string]string{}
	for _, pod := range e.view.Pods(app) {
		before[pod.Name], sidecars[pod.Name] = untouched(pod), containerID(pod, framework.Sidecar)
	}
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.InitContainers[1].Image = "registry.example/proxy:v2"
	})
	e.untilComplete(app)
	for _, pod := range e.view.Pods(app) {
		if before[pod.Name] != untouched(pod) {
			t.Errorf("other containers of pod %s were restarted, or the pod is another", pod.Name)
		}
		if sidecars[pod.Name] == containerID(pod, framework.Sidecar) {
			t.Errorf("the sidecar of pod %s was not restarted", pod.Name)
		}
	}
}

func TestRecreatesForOtherFields(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	before := e.identities()
	e.change(setEnv("fast"))
	e.untilComplete(app)
	for _, pod := range e.identities() {
		for _, old := range before {
			if old.uid == pod.uid {
				t.Errorf("pod %s is still there", pod.uid)
			}
		}
	}
	if field := e.view.CloneSet(app).Status.RecreateField; field != changedEnv {
		t.Errorf("status.recreateField is %q, want %q", field, changedEnv)
	}
	e.untilEvent("Recreate", changedEnv)
}

func TestInPlaceOnlyReports(t *testing.T) {
	e := newEnv(t)
	e.created(2, setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	before := e.identities()
	e.change(setEnv("fast"))
	set := e.untilReason(appsv1beta1.ReasonInPlaceImpossible, changedEnv)
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse, metav1.ConditionTrue)
	if len(set.Status.PodNotes) != 2 || set.Status.PodNotes[0].Reason != appsv1beta1.NoteInPlaceImpossible {
		t.Errorf("status.podNotes are %+v", set.Status.PodNotes)
	}
	e.expectIdentities(before)

	e.change(setPolicy(appsv1beta1.InPlaceIfPossiblePodUpdatePolicy))
	e.untilComplete(app)
	set = e.untilReason(appsv1beta1.ReasonComplete, "")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse)
}

func TestPartition(t *testing.T) {
	e := newEnv(t)
	e.created(6, setPartition(intstr.FromInt32(4)))
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilPartitionReached(2)
	e.change(setPartition(intstr.FromString("50%")))
	e.untilPartitionReached(3)
	e.change(setPartition(intstr.FromInt32(5)))
	e.untilSet("raising the partition brought pods back", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.ExpectedUpdatedReplicas == 1 && set.Status.UpdatedReplicas == 3
	})
	e.change(setPartition(intstr.FromInt32(0)))
	e.untilComplete(app)
	e.expectIdentities(before)
}

func TestPauses(t *testing.T) {
	e := newEnv(t)
	e.created(3, setGrace(forEver))
	e.change(setImage(imageV2))
	drained := e.untilPod("is drained", isDraining)
	e.change(setPaused(true))
	e.untilKnown(drained, "is back in service", framework.InServiceByGate)
	e.untilReason(appsv1beta1.ReasonPaused, "0 of 3")
	e.expectCount(3, "run the old image", runs(imageV1))

	e.change(setPaused(false), setGrace(0), setImage(slowImage), unrehearsed)
	patched := e.untilPod("is restarting", isRestarting)
	e.change(setPaused(true))
	// What is patched cannot be taken back; it is brought to its end.
	e.untilKnown(patched, "is confirmed", func(pod *corev1.Pod) bool {
		return framework.InServiceByGate(pod) && runs(slowImage)(pod)
	})
	e.untilReason(appsv1beta1.ReasonPaused, "1 of 3")

	e.change(setPaused(false))
	e.untilComplete(app)
}

func TestRollsBackInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, middle := range map[string]struct {
		image string
		grace int32
		phase func(*corev1.Pod) bool
	}{
		"of a drain":         {image: imageV2, grace: forEver, phase: isDraining},
		"of a slow pull":     {image: slowImage, phase: isRestarting},
		"of a pull in vain":  {image: brokenImage, phase: isRestarting},
		"after the first":    {image: imageV2, phase: runs(imageV2)},
		"of a second update": {image: imageV2, phase: isRestarting},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(3, setGrace(middle.grace))
			stable := e.view.CloneSet(app).Status.CurrentRevision
			before := e.identities()
			e.change(setImage(middle.image), unrehearsed)
			e.untilPod("got to the middle", middle.phase)
			e.change(setImage(imageV1))
			e.untilComplete(app)
			e.expectIdentities(before)
			e.expectCount(3, "run the old image", runs(imageV1))
			if got := e.view.CloneSet(app).Status.UpdateRevision; got != stable {
				t.Errorf("the update revision is %s, not %s again", got, stable)
			}
		})
	}
}

// The newest template wins, wherever the pods are on their way to the one before.
func TestTemplateChangesInTheMiddle(t *testing.T) {
	t.Parallel()
	const imageV3 = "registry.example/web:v3"
	for name, middle := range map[string]struct {
		image string
		grace int32
		phase func(*corev1.Pod) bool
	}{
		"of a drain":     {image: imageV2, grace: 1, phase: isDraining},
		"of a slow pull": {image: slowImage, phase: isRestarting},
		"of a restart":   {image: imageV2, phase: isRestarting},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2, setGrace(middle.grace))
			before := e.identities()
			e.change(setImage(middle.image), unrehearsed)
			e.untilPod("got to the middle", middle.phase)
			e.change(setImage(imageV3))
			e.untilComplete(app)
			e.expectIdentities(before)
			e.expectCount(2, "run the newest image", runs(imageV3))
		})
	}
}

func TestBrokenImageTouchesFewPods(t *testing.T) {
	e := newEnv(t)
	e.created(4)
	before := e.identities()
	e.change(setImage(brokenImage), unrehearsed)
	set := e.untilReason(appsv1beta1.ReasonPausedByFailures, "not found")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionTrue, metav1.ConditionFalse)
	e.expectCount(1, "are asked to run the broken image", isRestarting)
	e.untilEvent("PausedByFailures", "1 failed of 1 that failurePolicy takes")
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
}

func TestTrimsHistory(t *testing.T) {
	e := newEnv(t)
	e.created(1, func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32(2)) })
	for i := range 5 {
		e.change(setImage(fmt.Sprintf("registry.example/web:v%d", i+2)))
		e.untilComplete(app)
	}
	e.poll(func() (bool, string) {
		revisions := &appsv1.ControllerRevisionList{}
		e.must(e.client.List(e.ctx, revisions, client.InNamespace(e.namespace)))
		return len(revisions.Items) == 3, fmt.Sprintf("there are %d revisions, want 2 old ones and the new", len(revisions.Items))
	})
}
