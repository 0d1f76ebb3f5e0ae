package integration_test

import (
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// orphan deletes the test's CloneSet and leaves its pods.
func (e *env) orphan() {
	e.Helper()
	set := e.view.CloneSet(app)
	e.must(e.client.Delete(e.ctx, set, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	e.until(func() (bool, string) {
		return e.view.CloneSet(app) == nil && e.count(isUnowned) == len(e.view.Pods(app)), "pods are still owned:\n" + e.view.Describe(app)
	})
}

func isUnowned(pod *corev1.Pod) bool { return len(pod.OwnerReferences) == 0 }

// untilOwned waits for a CloneSet to own so many pods.
func (e *env) untilOwned(name string, pods int) {
	e.Helper()
	e.until(func() (bool, string) {
		set := e.view.CloneSet(name)
		owned := e.count(func(pod *corev1.Pod) bool { return set != nil && metav1.IsControlledBy(pod, set) })
		return owned == pods, "pods are not owned by " + name + ":\n" + e.view.Describe(app)
	})
}

// expectCreated checks how many pods the manager has made. The audit log follows a moment later.
func (e *env) expectCreated(want int) {
	e.Helper()
	e.poll(func() (bool, string) {
		created := e.podWrites()["create"]
		return created == want, fmt.Sprintf("%d pods were created, want %d", created, want)
	})
}

// A CloneSet that was deleted without its pods and is made again takes them back as they are, with their revisions: the
// partition goes on holding, and the rest of the update is made in place.
func TestAdoptsWhatItsPredecessorLeft(t *testing.T) {
	t.Parallel()
	for name, successor := range map[string]string{"of the same name": app, "of another name": "renamed"} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(3, setPartition(intstr.FromInt32(2)))
			e.change(setImage(imageV2))
			e.untilPartitionReached(1)
			before := e.identities()
			e.orphan()

			set := e.cloneSet(app, 3)
			set.Name = successor
			setImage(imageV2)(set)
			setPartition(intstr.FromInt32(2))(set)
			e.must(e.client.Create(e.ctx, set))
			e.untilOwned(successor, 3)
			e.until(func() (bool, string) {
				set := e.view.CloneSet(successor)
				return reasonOf(set) == appsv1beta1.ReasonPartitionReached, "the partition is not reached:\n" + e.view.Describe(successor)
			})
			e.expectCount(2, "run the old image", runs(imageV1))
			e.must(e.client.Patch(e.ctx, set, client.RawPatch("application/merge-patch+json",
				[]byte(`{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}`))))
			e.untilComplete(successor)
			e.expectCount(3, "run the new image", runs(imageV2))
			e.expectIdentities(before)
			e.expectCreated(3)
		})
	}
}

// Its claims are taken back with a pod.
func TestAdoptsClaims(t *testing.T) {
	e := newEnv(t)
	e.created(2, setClaims("data"), setReuse(true))
	before, volumes := e.identities(), e.untilClaimed("CloneSet", "data")
	e.orphan()
	set := e.cloneSet(app, 2)
	setClaims("data")(set)
	setReuse(true)(set)
	e.must(e.client.Create(e.ctx, set))
	e.untilOwned(app, 2)
	e.untilComplete(app)
	after := e.untilClaimed("CloneSet", "data")
	for claim, volume := range volumes {
		if after[claim] != volume {
			t.Errorf("claim %s is bound to %s, and was to %s", claim, after[claim], volume)
		}
	}
	e.expectIdentities(before)
	e.expectCreated(2)
}

// A pod whose owner was taken off it by hand in the middle of its drain is taken back, and its update goes on.
func TestTakesBackDisownedPod(t *testing.T) {
	e := newEnv(t)
	e.created(2, setGrace(forEver))
	before := e.identities()
	e.change(setImage(imageV2))
	drained := e.untilPod("is drained", isDraining)
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"ownerReferences":null}}`))
	e.must(e.client.Patch(e.ctx, drained.DeepCopy(), patch))
	e.untilOwned(app, 2)
	e.change(setGrace(0))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(2, "run the new image", runs(imageV2))
	e.expectCreated(2)
}

// stray returns a pod that nobody owns, with the label by which the manager finds pods, as somebody makes it by hand.
func (e *env) stray(name string, labels map[string]string) *corev1.Pod {
	template := e.cloneSet(app, 1).Spec.Template
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name, Labels: map[string]string{
			framework.AppLabel: app, appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue,
		}},
		Spec: template.Spec,
	}
	maps.Copy(pod.Labels, labels)
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: appsv1beta1.InPlaceUpdateReady}}
	return pod
}

// A pod of which nobody knows what revision it runs counts as a replica, and is replaced as the budget allows it.
func TestReplacesAdoptedPodOfNoKnownRevision(t *testing.T) {
	e := newEnv(t)
	stray := e.stray("stray", nil)
	e.must(e.client.Create(e.ctx, stray))
	set := e.cloneSet(app, 1)
	setPaused(true)(set)
	e.must(e.client.Create(e.ctx, set))
	e.untilOwned(app, 1)
	e.untilReason(appsv1beta1.ReasonPaused, "")
	e.untilKnown(stray, "is in service", framework.InServiceByGate)
	e.change(setPaused(false))
	e.untilGone(stray)
	e.untilComplete(app)
	e.untilEvent("Adopt", "stray")
	e.expectCreated(1)
}

// Of two CloneSets whose selectors match, the older one adopts. Neither touches what somebody else controls.
func TestNeverFightsOverPods(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	younger := e.cloneSet("younger", 1)
	younger.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{framework.AppLabel: app}}
	younger.Spec.Template.Labels = map[string]string{framework.AppLabel: app}
	e.must(e.client.Create(e.ctx, younger))
	e.untilComplete(younger.Name)

	keeper := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "keeper"}}
	e.must(e.client.Create(e.ctx, keeper))
	foreign := e.stray("foreign", nil)
	foreign.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(keeper, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	e.must(e.client.Create(e.ctx, foreign))

	e.change(setReplicas(2))
	e.untilOwned(app, 2)
	e.untilComplete(app)
	stray := e.stray("stray", map[string]string{appsv1beta1.RevisionLabel: e.view.CloneSet(app).Status.UpdateRevision})
	e.must(e.client.Create(e.ctx, stray))
	e.untilKnown(stray, "is adopted by the older one", func(pod *corev1.Pod) bool {
		return metav1.IsControlledBy(pod, e.view.CloneSet(app))
	})
	e.untilComplete(app)
	e.untilComplete(younger.Name)
	e.untilOwned(younger.Name, 1)
	if pod := e.view.Pod(foreign.Name); pod == nil || !metav1.IsControlledBy(pod, keeper) {
		t.Errorf("the pod that somebody else controls is %+v", pod)
	}
}

// A pod that is relabelled goes from one CloneSet to the other whose selector it matches then, as it is.
func TestRelabelledPodChangesItsOwner(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	other := e.cloneSet("other", 1)
	setPaused(true)(other)
	e.must(e.client.Create(e.ctx, other))
	e.untilComplete(other.Name)
	pod := e.view.Pods(app)[0]
	e.edit(pod, func(pod *corev1.Pod) { pod.Labels[framework.AppLabel] = other.Name })
	e.untilKnown(pod, "is adopted by the other one", func(pod *corev1.Pod) bool {
		return metav1.IsControlledBy(pod, e.view.CloneSet(other.Name))
	})
	e.untilComplete(app)
}
