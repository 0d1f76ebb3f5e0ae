package integration_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

func setRehearsal(rehearsal appsv1beta1.Rehearsal) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal = rehearsal
	}
}

// expectUntouched checks that the manager has written no pod of the CloneSet since they were made.
func (e *env) expectUntouched(replicas int) {
	e.Helper()
	e.expectPodWrites(map[string]int{"create": replicas, "patch status": replicas})
	e.expectCount(replicas, "are in service", framework.InServiceByGate)
}

// rehearsals returns the pods that pull images.
func (e *env) rehearsals() []corev1.Pod {
	e.Helper()
	pods := &corev1.PodList{}
	label := client.MatchingLabels{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelRehearsal}
	e.must(e.client.List(e.ctx, pods, client.InNamespace(e.namespace), label))
	return pods.Items
}

// An image that cannot be pulled touches no pod, and the registry's words are told. A template that can be is taken at once.
func TestMissingImageTouchesNoPod(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.identities()
	leastReady, _ := e.extremes()
	start := time.Now()
	e.change(setImage(brokenImage))
	set := e.untilReason(appsv1beta1.ReasonRehearsalFailed, "cannot have "+brokenImage)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it was told after %s", took)
	}
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse)
	e.expectUntouched(3)
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
	if leastReady() < 2 {
		t.Errorf("at least %d pods were ready", leastReady())
	}
	e.poll(func() (bool, string) { return len(e.rehearsals()) == 0, "pods are left that pull images" })
}

// What takes its time is pulled before the drain, and no pod is out of service for it.
func TestSlowImageIsPulledInService(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	before := e.raw().GetResourceVersion()
	image := harness.SlowestPrefix + "web:v2"
	e.change(setImage(image))
	e.untilReason(appsv1beta1.ReasonRehearsing, "has been pulling "+image+" since")
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 1, "patch status": 1 + 2, "patch": 1})
	pulled := false
	for _, pod := range history[*corev1.Pod](e, &corev1.PodList{}, before) {
		switch {
		case inplace.IsRehearsal(pod):
			pulled = pulled || pod.Status.Phase == corev1.PodFailed
		case !pulled && !framework.InServiceByGate(pod):
			t.Fatalf("%s is out of service before its node has the image", pod.Name)
		}
	}
	if !pulled {
		t.Error("nothing was pulled")
	}
}

// Where no pod may be made for it, it depends.
func TestRehearsalWithoutQuota(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "full"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}},
	}
	e.must(e.client.Create(e.ctx, quota))
	e.poll(func() (bool, string) {
		e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(quota), quota))
		used := quota.Status.Used[corev1.ResourcePods]
		return used.Value() == 2, "the quota is not counted"
	})
	e.change(setImage(imageV2))
	e.untilReason(appsv1beta1.ReasonRehearsalImpossible, "exceeded quota")
	e.expectUntouched(2)
	e.change(setRehearsal(appsv1beta1.Rehearsal{WhenImpossible: appsv1beta1.ProceedWhenImpossible}))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2 + 2*2, "patch": 2})
}

// What one manager has found out need not be found out by the next.
func TestRehearsalOutlivesTheManager(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(1)
	e.change(setImage(slowImage))
	e.untilReason(appsv1beta1.ReasonRehearsing, "has been pulling")
	e.stopManager(m)
	e.poll(func() (bool, string) {
		pods := e.rehearsals()
		return len(pods) == 1 && pods[0].Status.Phase == corev1.PodFailed, fmt.Sprintf("%d pods pull", len(pods))
	})
	e.startManager()
	e.untilComplete(app)
	if got := e.rehearsalWrites(); got["create"] != 1 {
		t.Errorf("the pods that pull images were written %v", got)
	}
}

// Nobody takes the pods that pull images for pods of the workload, and they go with it.
func TestRehearsalIsNoPodOfTheWorkload(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	e.change(setImage(brokenImage), setReplicas(3))
	e.untilReason(appsv1beta1.ReasonPausedByFailures, "not found") // The new pod.
	e.change(setImage(brokenImage+"-again"), setReplicas(2))
	set := e.untilReason(appsv1beta1.ReasonRehearsalFailed, "not found")
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	e.must(err)
	e.poll(func() (bool, string) { // One that the scaling in has deleted may be terminating still.
		pods := &corev1.PodList{}
		e.must(e.client.List(e.ctx, pods, client.InNamespace(e.namespace), client.MatchingLabelsSelector{Selector: selector}))
		return len(pods.Items) == 2, fmt.Sprintf("the selector matches %d pods", len(pods.Items))
	})
	e.until(func() (bool, string) { return e.view.CloneSet(app).Status.Replicas == 2, "other pods are counted" })
	for _, pod := range e.rehearsals() {
		if !metav1.IsControlledBy(&pod, set) {
			t.Errorf("%s has the owners %v", pod.Name, pod.OwnerReferences)
		}
	}
	e.must(e.client.Delete(e.ctx, set.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	e.poll(func() (bool, string) { return len(e.rehearsals()) == 0, "pods that pull images for nobody are left" })
}

// The restricted profile of Pod Security takes such a pod.
func TestRehearsalIsRestricted(t *testing.T) {
	e := newEnv(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}}
	label := []byte(`{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}`)
	e.must(e.client.Patch(e.ctx, namespace, client.RawPatch("application/merge-patch+json", label)))
	set := e.cloneSet(app, 1)
	r := inplace.Rehearsal{
		Namespace: e.namespace, Prefix: app, Node: "sim-0", Revision: "web-1", Template: &set.Spec.Template,
		Owner:      metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: e.namespace, UID: "uid"},
		Containers: []string{framework.MainContainer, framework.Sidecar},
	}
	e.poll(func() (bool, string) {
		plain := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "plain"}, Spec: *set.Spec.Template.Spec.DeepCopy()}
		return e.client.Create(e.ctx, plain, client.DryRunAll) != nil, "the profile is not in force"
	})
	e.must(e.client.Create(e.ctx, r.Pod(), client.DryRunAll))
}
