package integration_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// Whoever else takes pods out of service while a rollout goes on, and however often, together they never leave fewer pods
// ready than the budget asks for; and both come to their end.
func TestEvictionsAndARolloutShareTheBudget(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]func(*appsv1beta1.CloneSet){
		"in place":  {setImage(imageV2)},
		"recreated": {setEnv("fast")},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(4, setMaxUnavailable(intstr.FromInt32(4)), setGrace(1))
			e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
			e.untilBudget(counts{expected: 4, healthy: 4, desired: 3, allowed: 1})
			expectHealthy := e.watchHealthy(3)
			evictions := e.evictAgainAndAgain()
			e.change(changes...)
			e.untilComplete(app)
			t.Logf("%d pods were evicted", evictions())
			e.untilComplete(app)
			expectHealthy()
			e.untilBudget(counts{expected: 4, healthy: 4, desired: 3, allowed: 1})
			e.untilNoPlaceIsTaken()
			e.expectNoFailureEvent()
		})
	}
}

// Two nodes are drained while a rollout goes on.
func TestKubectlDrainDuringARollout(t *testing.T) {
	e := newQuietEnv(t)
	e.startManager()
	drill := setLabel("drill", e.namespace)
	e.created(6, drill, setMaxUnavailable(intstr.FromInt32(6)))
	e.protect(policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromInt32(5))})
	e.untilBudget(counts{expected: 6, healthy: 6, desired: 5, allowed: 1})
	expectHealthy := e.watchHealthy(5)
	e.change(setImage(imageV2))
	nodes := &corev1.NodeList{}
	e.must(e.client.List(e.ctx, nodes))
	var drains sync.WaitGroup
	results := make([]error, 2)
	for i := range results {
		node := nodes.Items[i].Name
		t.Cleanup(func() { e.must(e.cluster.Kubectl(context.WithoutCancel(e.ctx), "uncordon", node)) })
		drains.Go(func() {
			results[i] = e.cluster.Kubectl(e.ctx, "drain", node, "--pod-selector=drill="+e.namespace, "--timeout="+stepTimeout.String())
		})
	}
	drains.Wait()
	e.must(errors.Join(results...))
	e.untilComplete(app)
	expectHealthy()
	e.expectCount(6, "run the new image on the node that is left", func(pod *corev1.Pod) bool {
		return runs(imageV2)(pod) && pod.Spec.NodeName != nodes.Items[0].Name && pod.Spec.NodeName != nodes.Items[1].Name
	})
}

// Under a budget that allows no disruption, what does not run is replaced by what does, be it new or old.
func TestBrokenReleaseUnderABudgetThatAllowsNone(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{"cannot be pulled": brokenImage, "crashes": harness.CrashPrefix + "web:v2"} {
		for way, next := range map[string]string{"fixed": imageV2, "rolled back": imageV1} {
			t.Run(name+", "+way, func(t *testing.T) {
				e := newEnv(t)
				e.created(3, setMaxUnavailable(intstr.FromInt32(2)), unrehearsed)
				e.change(setImage(broken))
				e.untilReason(appsv1beta1.ReasonPausedByFailures, "")
				e.expectCount(2, "have the broken image", asksFor(broken))
				e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(0))})
				e.change(setImage(next))
				e.expectCount(0, "have the broken image", asksFor(broken))
				e.expectCount(3, "are in service", framework.InServiceByGate)
				if next == imageV1 {
					e.untilComplete(app)
					return
				}
				// The one that never failed waits for the budget.
				e.untilReason(appsv1beta1.ReasonAwaitingDisruptionBudget, "2 of 3 pods are updated")
				e.relax()
				e.untilComplete(app)
			})
		}
	}
}

// A rollout waits for the budget, says so, touches no pod meanwhile, and goes on as soon as the budget lets it.
func TestRolloutWaitsForTheBudget(t *testing.T) {
	t.Parallel()
	for name, goOn := range map[string]func(*env){
		"it is relaxed": (*env).relax,
		"it is deleted": func(e *env) { e.must(e.client.Delete(e.ctx, e.budget())) },
		"there are more pods": func(e *env) {
			e.change(func(set *appsv1beta1.CloneSet) {
				set.Spec.UpdateStrategy.RollingUpdate.MaxSurge = new(intstr.FromInt32(1))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(0))})
			e.created(2)
			e.untilBudget(counts{expected: 2, healthy: 2, desired: 2, allowed: 0})
			e.change(setImage(imageV2))
			set := e.untilReason(appsv1beta1.ReasonAwaitingDisruptionBudget, "PodDisruptionBudget web, which needs 2 healthy pods and has 2")
			e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse)
			e.expectPodWrites(map[string]int{"create": 2, "patch status": 2})
			goOn(e)
			e.untilComplete(app)
			e.expectNoFailureEvent()
		})
	}
}

// A budget costs its own writes and none of pods. The last place is given back, too.
func TestWritesUnderABudget(t *testing.T) {
	e := newEnv(t)
	e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	e.created(3)
	e.untilBudget(counts{expected: 3, healthy: 3, desired: 2, allowed: 1})
	before := e.identities()
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
	e.expectIdentities(before)
	e.untilNoPlaceIsTaken()
	e.expectNoConflict()
	accepted := 0
	for _, write := range e.managerWrites("poddisruptionbudgets") {
		switch {
		case kindOf(write) != "patch status":
			t.Errorf("unexpected: %s", write)
		case write.Response.Code == http.StatusOK:
			accepted++
		case write.Response.Code != http.StatusConflict:
			t.Errorf("refused: %s", write)
		}
	}
	if accepted != 2*3 {
		t.Errorf("the budget was written %d times, want a place taken and given back for each of 3 pods", accepted)
	}
	all := len(e.managerWrites("poddisruptionbudgets"))
	e.change(setReplicas(1))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3, "delete": 2})
	if n := len(e.managerWrites("poddisruptionbudgets")) - all; n > 0 {
		t.Errorf("scaling in wrote the budget %d times", n)
	}
}

// A manager knows which places its predecessor has taken, and leaves those of others alone.
func TestPlacesOutliveTheManager(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(3, setGrace(forEver))
	e.protect(policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromInt32(2))})
	e.untilBudget(counts{expected: 3, healthy: 3, desired: 2, allowed: 1})
	e.change(setImage(imageV2))
	drained := e.untilPod("is drained", isDraining)
	e.restart(m, func() {
		budget := e.budget()
		if _, taken := budget.Status.DisruptedPods[drained.Name]; !taken {
			t.Errorf("no place is taken for %s: %+v", drained.Name, budget.Status)
		}
		for _, pod := range e.view.Pods(app) {
			if pod.UID != drained.UID {
				budget.Status.DisruptedPods[pod.Name] = metav1.Now() // As an eviction that does not come off.
				break
			}
		}
		e.must(e.client.Status().Update(e.ctx, budget, client.FieldOwner("kube-apiserver")))
	})
	e.change(setImage(imageV1), setGrace(0))
	e.untilComplete(app)
	e.poll(func() (bool, string) {
		_, taken := e.budget().Status.DisruptedPods[drained.Name]
		return !taken, "the place of " + drained.Name + " is not given back"
	})
	if n := len(e.budget().Status.DisruptedPods); n != 1 {
		t.Errorf("%d places are taken, want that of the eviction: %+v", n, e.budget().Status)
	}
}

// Evictions are refused where several budgets select a pod; an update has a place in each of them.
func TestTwoBudgetsOfOnePod(t *testing.T) {
	e := newEnv(t)
	e.created(3, setMaxUnavailable(intstr.FromInt32(3)))
	e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	e.must(e.client.Create(e.ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "all"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: new(intstr.FromInt32(2)), Selector: &metav1.LabelSelector{},
		},
	}))
	expectHealthy := e.watchHealthy(2)
	e.change(setImage(imageV2))
	e.untilComplete(app)
	expectHealthy()
	written := map[string]bool{}
	for _, write := range e.managerWrites("poddisruptionbudgets") {
		written[write.Object.Name] = true
	}
	if !written[app] || !written["all"] {
		t.Errorf("places were taken in %v", written)
	}
}

// budget returns the test's PodDisruptionBudget as it is.
func (e *env) budget() *policyv1.PodDisruptionBudget {
	e.Helper()
	budget := &policyv1.PodDisruptionBudget{}
	e.must(e.client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, budget))
	return budget
}

// relax has the test's PodDisruptionBudget allow one disruption.
func (e *env) relax() {
	e.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"maxUnavailable":1}}`))
	e.must(e.client.Patch(e.ctx, e.budget(), patch))
}

// untilNoPlaceIsTaken waits until the test's PodDisruptionBudget names no pod any more. Kubernetes would see to that after
// two minutes, which is longer than is waited for anything.
func (e *env) untilNoPlaceIsTaken() {
	e.Helper()
	e.poll(func() (bool, string) {
		taken := e.budget().Status.DisruptedPods
		return len(taken) == 0, "places are taken for " + strings.Join(slices.Sorted(maps.Keys(taken)), ", ")
	})
}

// watchHealthy looks at the pods at each of their changes, and returns a function that fails the test if there were ever
// fewer ready ones than that.
func (e *env) watchHealthy(atLeast int) (expect func()) {
	e.Helper()
	fewest, when := atLeast, ""
	stop := e.view.Observe(func() {
		healthy := e.count(framework.IsReady)
		if healthy < fewest {
			fewest, when = healthy, e.view.Describe(app)
		}
	})
	return func() {
		e.Helper()
		stop()
		if fewest < atLeast {
			e.Errorf("there were only %d healthy pods, want %d at least:\n%s", fewest, atLeast, when)
		}
	}
}

// evictAgainAndAgain tries to evict every pod at each of their changes, until it is told to end, or has evicted six. It
// returns how many it has evicted.
func (e *env) evictAgainAndAgain() (end func() int) {
	e.Helper()
	changes, evicted := make(chan bool, 1), make(chan int, 1)
	stop := e.view.Observe(func() {
		select {
		case changes <- true:
		default:
		}
	})
	go func() {
		n := 0
		for range changes {
			for _, pod := range e.view.Pods(app) {
				if n < 6 && e.tryEviction(pod) {
					n++
				}
			}
		}
		evicted <- n
	}()
	return func() int {
		stop()
		close(changes)
		return <-evicted
	}
}

// tryEviction evicts a pod, if that is allowed, and tells whether it was.
func (e *env) tryEviction(pod *corev1.Pod) bool {
	err := e.evict(pod)
	if err != nil && !apierrors.IsTooManyRequests(err) && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		e.Errorf("evicting %s: %v", pod.Name, err)
	}
	return err == nil && pod.DeletionTimestamp == nil
}

// expectNoFailureEvent checks that users were not told of any failure: a budget that somebody else has written is none.
func (e *env) expectNoFailureEvent() {
	e.Helper()
	for _, event := range e.view.Events(app) {
		if event.Type == corev1.EventTypeWarning && event.InvolvedObject.Kind == appsv1beta1.CloneSetKind.Kind {
			e.Errorf("unexpected event %s: %s", event.Reason, event.Message)
		}
	}
}

// asksFor tells whether a pod is asked to have an image, whatever it runs.
func asksFor(image string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool { return pod.Spec.Containers[0].Image == image }
}
