package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// pair is a template of a web server and a log shipper.
func pair(web, log string) *corev1.PodTemplateSpec {
	t := templateOf(web)
	t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: "log", Image: log})
	return t
}

// pairs plays the rollout of pods of a web server and a log shipper, from web:a and log:a.
type pairs struct {
	t   *testing.T
	in  Input
	set *appsv1beta1.CloneSet
}

func pairsTo(t *testing.T, web, log string, edits ...edit) *pairs {
	t.Helper()
	set := cloneSet(2, edits...)
	set.Spec.Template = *pair(web, log)
	p := &pairs{t: t, set: set, in: inputOf(set, oldPair("a"), oldPair("b"))}
	p.in.Revisions.Current.Template = pair("web:a", "log:a")
	p.in.Revisions.Templates[revisionA] = p.in.Revisions.Current.Template
	return p
}

func oldPair(name string) *corev1.Pod {
	return podAt(revisionA, "web:a", name, testpods.Container("log", "log:a"), testpods.Serving())
}

// perform expects one action on pod a, besides those that are told, and performs it.
func (p *pairs) perform(want string) Action {
	p.t.Helper()
	planned := Compute(p.in)
	expect(p.t, planned, want)
	if p.t.Failed() {
		p.t.FailNow()
	}
	p.pod(apply(p.t, p.in.Pods[0], planned.Actions[0].Patch))
	return planned.Actions[0]
}

// nothing expects no action.
func (p *pairs) nothing() {
	p.t.Helper()
	expect(p.t, Compute(p.in))
}

// pod has pod a be seen as it is now, drained if its gate is off.
func (p *pairs) pod(pod *corev1.Pod) {
	gateOff := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady).Status == corev1.ConditionFalse
	if gateOff {
		testpods.Condition(corev1.PodReady, corev1.ConditionFalse, testpods.Start())(pod)
	}
	seen := p.in.Sightings[pod.UID].See(pod, testpods.Start())
	p.in.Pods[0], p.in.Sightings[pod.UID] = pod, seen.SeeDrained(gateOff, true, testpods.Start())
}

// kubelet has the kubelet run what pod a asks for in one container.
func (p *pairs) kubelet(name string, n int, image string) {
	pod := p.in.Pods[0].DeepCopy()
	testpods.Observe(pod)
	p.pod(pod)
	pod = pod.DeepCopy()
	testpods.Run(pod, name, n, image)
	p.pod(pod)
}

func (p *pairs) expectImages(web, log string) {
	p.t.Helper()
	got := []string{p.in.Pods[0].Spec.Containers[0].Image, p.in.Pods[0].Spec.Containers[1].Image}
	if diff := cmp.Diff([]string{web, log}, got); diff != "" {
		p.t.Fatalf("images (-want +got):\n%s", diff)
	}
}

func webFirst(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{
		{Name: "web", Priority: 1},
	}
}

func logInPlace(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{
		{Name: "log", Drain: appsv1beta1.DrainNotRequired},
	}
}

func TestContainersAreRestartedInOrder(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst)
	p.perform("Drain a")
	first := p.perform("UpdateInPlace a")
	contains(t, first.Why, "web to web:b of revision web-b; then log")
	p.expectImages("web:b", "log:a")
	p.nothing()
	p.kubelet("web", 2, "web:b")
	second := p.perform("UpdateInPlace a")
	contains(t, second.Why, "log to log:b of revision web-b")
	p.expectImages("web:b", "log:b")
	p.nothing()
	if got := Compute(p.in).Status.UpdatedReplicas; got != 0 {
		t.Errorf("%d pods count as updated before their containers run", got)
	}
	p.kubelet("log", 2, "log:b")
	p.perform("Confirm a")
}

// A pod between two batches is out of service; it is not left there.
func TestNextBatchGoesOnWhilePaused(t *testing.T) {
	for name, edit := range map[string]func(*pairs){
		"the same revision": func(p *pairs) { paused(p.set) },
		"a newer one": func(p *pairs) {
			paused(p.set)
			p.in.Revisions.Templates["web-c"] = pair("web:c", "log:c")
			p.in.Revisions.Update = Revision{Name: "web-c", Template: p.in.Revisions.Templates["web-c"]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := pairsTo(t, "web:b", "log:b", webFirst)
			p.perform("Drain a")
			p.perform("UpdateInPlace a")
			p.kubelet("web", 2, "web:b")
			edit(p)
			p.perform("UpdateInPlace a")
			p.expectImages("web:b", "log:b")
			p.kubelet("log", 2, "log:b")
			p.perform("Confirm a")
		})
	}
}

func TestPodStaysInServiceWhereNoDrainIsNeeded(t *testing.T) {
	p := pairsTo(t, "web:a", "log:b", logInPlace)
	p.perform("UpdateInPlace a")
	p.nothing() // It counts against maxUnavailable until its container runs.
	if got := Compute(p.in).Status; got.AvailableReplicas != 1 || got.ReadyReplicas != 2 || got.UpdatedReplicas != 0 {
		t.Errorf("got %d available, %d ready, %d updated; want 1, 2, 0", got.AvailableReplicas, got.ReadyReplicas, got.UpdatedReplicas)
	}
	p.kubelet("log", 2, "log:b")
	planned := Compute(p.in)
	expect(t, planned, "Confirm a", "UpdateInPlace b")
	confirm := planned.Actions[0]
	if confirm.Verb != VerbPatch {
		t.Errorf("the confirmation is a %s", confirm.Verb)
	}
	p.pod(apply(t, p.in.Pods[0], confirm.Patch))
	expect(t, Compute(p.in), "UpdateInPlace b")
}

func TestPodIsDrainedIfOneContainerRequiresIt(t *testing.T) {
	pairsTo(t, "web:b", "log:b", logInPlace).perform("Drain a")
}

// No pod is patched in service that the budget does not allow to be missed.
func TestUpdateInServiceKeepsToTheBudget(t *testing.T) {
	p := pairsTo(t, "web:a", "log:b", logInPlace)
	testpods.Condition(corev1.PodReady, corev1.ConditionFalse, testpods.Start())(p.in.Pods[1])
	expect(t, Compute(p.in), "UpdateInPlace b")
}

// A template that needs a drain finds a pod that is being updated in service.
func TestDrainInTheMiddleOfAnUpdateInService(t *testing.T) {
	p := pairsTo(t, "web:a", "log:bad", logInPlace)
	p.perform("UpdateInPlace a")
	p.in.Revisions.Templates["web-c"] = pair("web:c", "log:a")
	p.in.Revisions.Update = Revision{Name: "web-c", Template: p.in.Revisions.Templates["web-c"]}
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.expectImages("web:c", "log:a")
}

// The hook has a load balancer stop sending requests; a pod that goes on serving does not wait for it.
func TestUpdateInServiceWaitsForNoHook(t *testing.T) {
	p := pairsTo(t, "web:a", "log:b", logInPlace, withHooks)
	hooked(p.in.Pods[0])
	state(appsv1beta1.LifecycleNormal)(p.in.Pods[0])
	hooked(p.in.Pods[1])
	p.perform("UpdateInPlace a")
	p.kubelet("log", 2, "log:b")
	if got := count(Compute(p.in), Confirm); got != 1 {
		t.Errorf("got %v", deeds(Compute(p.in)))
	}
}

// Somebody turned the gate on between two batches: what is pending is patched after another drain.
func TestPendingContainerOfAPodInService(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst)
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.kubelet("web", 2, "web:b")
	pod := p.in.Pods[0].DeepCopy()
	testpods.Serving()(pod)
	p.pod(pod)
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.expectImages("web:b", "log:b")
}

// TestNextBatchOfAPodWhoseHookIsTakenOff has a hook come in the middle: the pod says that it waits, and goes on.
func TestNextBatchOfAPodWhoseHookIsTakenOff(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst)
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.kubelet("web", 2, "web:b")
	withHooks(p.set)
	p.in.Pods[0].Labels[appsv1beta1.LifecycleStateLabel] = string(appsv1beta1.LifecyclePreparingUpdate)
	p.perform("UpdateInPlace a")
	p.expectImages("web:b", "log:b")
	if got := stateOf(p.set, p.in.Pods[0]); got != appsv1beta1.LifecycleUpdating {
		t.Errorf("got state %s, want Updating", got)
	}
}

// Somebody turns the gate off while a container restarts in service: the pod is drained, and runs nothing new yet.
func TestDrainedBeforeItsContainersRunIsNotUpdated(t *testing.T) {
	p := pairsTo(t, "web:a", "log:b", logInPlace)
	p.perform("UpdateInPlace a")
	pod := p.in.Pods[0].DeepCopy()
	testpods.Observe(pod)
	testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, testpods.Start())(pod)
	p.pod(pod)
	if got := Compute(p.in).Status.UpdatedReplicas; got != 0 {
		t.Errorf("%d pods are counted updated", got)
	}
}
