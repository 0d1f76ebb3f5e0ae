package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/load"
)

const (
	// app is the name of the workload of every test.
	app = "web"
	// testTimeout bounds one test, stepTimeout the waiting for one thing.
	testTimeout = 5 * time.Minute
	stepTimeout = 90 * time.Second
	// graceSeconds is the grace period of the tests that count lost requests: a second more than the default, since
	// kube-proxy shares two cores with everything else there and may be late.
	graceSeconds = appsv1beta1.DefaultGracePeriodSeconds + 1
)

// env is a namespace with a workload, and what a test does with it. Its methods fail the test themselves.
type env struct {
	*testing.T
	ctx       context.Context
	cluster   *framework.Cluster
	view      *framework.View
	namespace string
	spec      *framework.Workload
	load      *framework.Load
}

// setUp makes a namespace with a workload of small, quick pods that change may alter, and waits for it to be complete.
func newEnv(t *testing.T, change func(*framework.Workload)) *env {
	t.Helper()
	e := &env{T: t, cluster: cluster(t)}
	ctx, cancel := context.WithTimeoutCause(t.Context(), testTimeout, errors.New("the test took too long"))
	t.Cleanup(cancel)
	e.ctx = ctx
	var err error
	e.namespace, e.view, err = e.cluster.NewNamespace(ctx, "e2e")
	e.must(err)
	t.Cleanup(e.tearDown)
	e.spec = quickWorkload(e.namespace)
	if change != nil {
		change(e.spec)
	}
	e.must(e.cluster.Client.Create(ctx, e.spec.Service()))
	e.must(e.cluster.Client.Create(ctx, e.spec.CloneSet()))
	e.untilComplete()
	e.must(e.view.UntilInService(ctx, app, int(e.spec.Replicas)))
	return e
}

func quickWorkload(namespace string) *framework.Workload {
	return &framework.Workload{
		Name: app, Namespace: namespace, Replicas: 3, MaxUnavailable: intstr.FromInt32(1),
		Image: ref(webV1), SidecarImage: ref(toolsV1), HelperImage: ref(toolsV1),
		ReadyDelay: 200 * time.Millisecond, GracePeriodSeconds: 0,
	}
}

// ref returns the full reference of an image of the tests.
func ref(image string) string { return framework.Reference(image) }

func (e *env) tearDown() {
	if e.Failed() {
		e.Logf("%s", e.view.Describe(app))
	}
	if err := e.cluster.DeleteNamespace(context.WithoutCancel(e.ctx), e.namespace); err != nil {
		e.Errorf("delete the namespace: %v", err)
	}
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// until waits for a condition to hold.
func (e *env) until(condition func() (done bool, missing string)) {
	e.Helper()
	ctx, cancel := context.WithTimeoutCause(e.ctx, stepTimeout, errors.New("timed out"))
	defer cancel()
	e.must(e.view.Until(ctx, condition))
}

func (e *env) untilComplete() {
	e.Helper()
	e.until(func() (bool, string) { return e.view.Complete(app) })
}

// untilSet waits for the status of the CloneSet's present generation to satisfy the condition.
func (e *env) untilSet(missing string, condition func(*appsv1beta1.CloneSet) bool) {
	e.Helper()
	e.until(func() (bool, string) {
		set := e.view.CloneSet(app)
		done := set != nil && set.Status.ObservedGeneration == set.Generation && condition(set)
		return done, missing + ":\n" + e.view.Describe(app)
	})
}

// change alters the CloneSet, and waits for the view to show it.
func (e *env) change(alter func(*appsv1beta1.CloneSet)) {
	e.Helper()
	set := &appsv1beta1.CloneSet{}
	e.must(e.cluster.Client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, set))
	before := set.DeepCopy()
	alter(set)
	e.must(e.cluster.Client.Patch(e.ctx, set, client.MergeFrom(before)))
	e.until(func() (bool, string) {
		return e.view.Generation(set) >= set.Generation, "the change is not seen"
	})
}

// setImage changes the image of the web server.
func (e *env) setImage(image string) {
	e.Helper()
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Image = image })
}

// unrehearsed leaves it to the kubelet to pull images, with the old container stopped already.
func unrehearsed(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal.Policy = appsv1beta1.RehearseNever
}

// startLoad sends requests to the workload from now on.
func (e *env) startLoad() {
	e.Helper()
	service := &corev1.Service{}
	e.must(e.cluster.Client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, service))
	var err error
	e.load, err = e.cluster.StartLoad(e.ctx, e.view, service,
		framework.LoadOptions{Image: ref(toolsV1), Rate: 100, KeptRate: 10})
	e.must(err)
}

// sent returns what the load has counted since its start.
func (e *env) sent() load.Report {
	e.Helper()
	report, err := e.load.Report(e.ctx)
	e.must(err)
	return report
}

// expectNoFailedRequest checks the load's new connections.
func (e *env) expectNoFailedRequest() {
	e.Helper()
	fresh := e.sent().NewConnections
	if fresh.Requests == 0 || fresh.Failed > 0 {
		e.Error(fresh.Summary())
	}
}

func (e *env) pods() []*corev1.Pod { return e.view.Pods(app) }

// untilPod waits for a pod that satisfies the condition and returns it.
func (e *env) untilPod(missing string, condition func(*corev1.Pod) bool) *corev1.Pod {
	e.Helper()
	var found *corev1.Pod
	e.until(func() (bool, string) {
		for _, pod := range e.pods() {
			if condition(pod) {
				found = pod
				return true, ""
			}
		}
		return false, missing + ":" + e.view.Describe(app)
	})
	return found
}

// draining says whether the pod was taken out of service and still has the image in its spec.
func draining(image string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return !framework.InServiceByGate(pod) && pod.Spec.Containers[0].Image == image
	}
}
