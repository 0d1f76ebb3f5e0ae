package integration_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

const (
	// quotaWatched is for how long the requests are counted while a quota forbids pods, and maxAttempts how many there
	// may be by then, with a back-off that starts at milliseconds and doubles.
	quotaWatched = 5 * time.Second
	maxAttempts  = 20
)

func TestQuotaForbidsPods(t *testing.T) {
	e := newEnv(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "few"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}},
	}
	e.must(e.client.Create(e.ctx, quota))
	e.poll(func() (bool, string) {
		e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(quota), quota))
		return len(quota.Status.Hard) > 0, "the quota is not in force"
	})
	e.must(e.client.Create(e.ctx, e.cloneSet(app, 4)))
	set := e.untilReason(appsv1beta1.NoteCreateFailed, "exceeded quota: few")
	e.expectConditions(set, metav1.ConditionFalse, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse)
	e.untilSet("the pods that are allowed are not in service", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.AvailableReplicas == 2
	})
	e.expectFewCreations()

	e.must(e.client.Delete(e.ctx, quota))
	e.untilComplete(app)
	e.untilReason(appsv1beta1.ReasonComplete, "4 of 4")
}

// expectFewCreations counts the tries to create pods over a while.
func (e *env) expectFewCreations() {
	e.Helper()
	while, cancel := context.WithTimeout(e.ctx, quotaWatched)
	defer cancel()
	<-while.Done()
	if tries := e.podWrites()["create"]; tries > maxAttempts {
		e.Errorf("pods were created, or tried to be, %d times, want at most %d", tries, maxAttempts)
	}
}

func TestNameTakenByForeignPod(t *testing.T) {
	e := newEnv(t)
	e.created(0)
	taken := e.nextName()
	e.must(e.client.Create(e.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: taken},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: imageV1}}},
	}))
	e.change(setReplicas(2))
	e.untilComplete(app)
	e.expectCount(0, "took over the foreign pod's name", func(pod *corev1.Pod) bool { return pod.Name == taken })
	if foreign := e.view.Pod(taken); foreign == nil || len(foreign.OwnerReferences) > 0 {
		t.Errorf("the foreign pod was not left alone: %v", foreign)
	}
}

// nextName returns the name that the test's next pod is planned to have.
func (e *env) nextName() string {
	e.Helper()
	set := e.view.CloneSet(app).DeepCopy()
	setReplicas(1)(set)
	update := plan.Revision{Name: set.Status.UpdateRevision, Template: &set.Spec.Template}
	planned := plan.Compute(plan.Input{
		Set: set, Revisions: plan.Revisions{Update: update, Current: update}, Now: time.Now(),
	})
	if len(planned.Actions) != 1 || planned.Actions[0].Kind != plan.CreatePod {
		e.Fatalf("planned %v, want one pod", planned.Actions)
	}
	return planned.Actions[0].Pod.Name
}
