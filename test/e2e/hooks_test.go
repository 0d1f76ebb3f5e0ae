package e2e

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// registered is the finalizer of the example of a registrar.
const registered = "example.com/registered"

func setHooks(set *appsv1beta1.CloneSet) {
	hook := func() *appsv1beta1.LifecycleHook {
		return &appsv1beta1.LifecycleHook{FinalizersHandler: []string{registered}}
	}
	set.Spec.Lifecycle = &appsv1beta1.Lifecycle{PreNormal: hook(), InPlaceUpdate: hook(), PreDelete: hook()}
}

// behindBalancer puts the workload behind a load balancer that knows nothing of Kubernetes, and has the shipped example
// tell it of pods. There is no Service: nothing else holds traffic up, and nobody waits for endpoints.
func (e *env) behindBalancer() *framework.Balancer {
	e.Helper()
	e.must(e.cluster.Client.Delete(e.ctx, e.spec.Service()))
	balancer, err := e.cluster.StartBalancer(e.ctx, e.view, e.namespace, ref(toolsV1))
	e.must(err)
	url, end, err := balancer.Serve()
	e.must(err)
	stop, err := e.cluster.StartRegistrar(e.ctx, e.TempDir(), e.namespace, framework.AppLabel+"="+app, url)
	e.must(err)
	e.Cleanup(func() {
		e.Logf("the registrar:\n%s", stop())
		end()
		e.freePods()
	})
	return balancer
}

// freePods takes the finalizers off the pods that are left, so that the namespace can go.
func (e *env) freePods() {
	for _, pod := range e.pods() {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		err := e.cluster.Client.Patch(context.WithoutCancel(e.ctx), pod.DeepCopy(), patch)
		if client.IgnoreNotFound(err) != nil {
			e.Errorf("pod %s: %v", pod.Name, err)
		}
	}
}

// untilRegistered waits until all pods, so many, are known to the load balancer, and no other.
func (e *env) untilRegistered(b *framework.Balancer, pods int) {
	e.Helper()
	e.until(func() (bool, string) {
		known := 0
		for _, pod := range e.pods() {
			if pod.DeletionTimestamp == nil && slices.Contains(pod.Finalizers, registered) {
				known++
			}
		}
		return known == pods && len(e.pods()) == pods, "the pods are not registered:" + e.view.Describe(app)
	})
	var want []string
	for _, pod := range e.pods() {
		want = append(want, pod.Status.PodIP)
	}
	slices.Sort(want)
	got, err := b.Targets(e.ctx)
	e.must(err)
	if !slices.Equal(got, want) {
		e.Errorf("the load balancer sends requests to %v, want %v", got, want)
	}
}

// A load balancer outside of Kubernetes, which lets go of a pod a second after it was told to, loses no request in an update
// in place, a scale-in and a scale-out. It does as soon as its hooks are not waited for.
func TestExternalRegistryLosesNoRequest(t *testing.T) {
	e := newEnv(t, nil)
	e.change(setHooks)
	balancer := e.behindBalancer()
	e.untilRegistered(balancer, 3)
	var err error
	e.load, err = e.cluster.StartLoadOnBalancer(e.ctx, e.view, balancer,
		framework.LoadOptions{Image: ref(toolsV1), Rate: 100, KeptRate: 10})
	e.must(err)

	before := e.pods()
	e.setImage(ref(webV2))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.restartedOnce(framework.MainContainer)
	e.untilRegistered(balancer, 3)
	if n := e.sent().NewConnections.Answers["v2"]; n == 0 {
		t.Error("no request was answered by the new version")
	}

	e.scale(2)
	e.untilComplete()
	e.untilRegistered(balancer, 2)
	e.scale(3)
	e.untilComplete()
	e.untilRegistered(balancer, 3)
	sent := e.sent().NewConnections
	e.must(e.load.UntilSent(e.ctx, sent.Requests+100))
	e.expectNoFailedRequest()

	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Lifecycle = nil
		set.Spec.Template.Spec.Containers[0].Image = ref(webV3)
	})
	e.untilComplete()
	if e.sent().NewConnections.Failed == 0 {
		t.Error("no request failed though no hook was waited for: this test cannot fail")
	}
	e.leave()
}

// leave deletes all pods while somebody handles their finalizers.
func (e *env) leave() {
	e.Helper()
	pods := e.pods()
	e.scale(0)
	for _, pod := range pods {
		e.until(func() (bool, string) { return gone(e.view.Pod(pod.Name), pod), "pod " + pod.Name + " is still there" })
	}
}

func gone(known, pod *corev1.Pod) bool { return known == nil || known.UID != pod.UID }
