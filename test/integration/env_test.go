package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

const (
	// app is the name of a test's first CloneSet.
	app = "web"

	imageV1     = "registry.example/web:v1"
	imageV2     = "registry.example/web:v2"
	slowImage   = harness.SlowPrefix + "web:v2"
	brokenImage = harness.BrokenPrefix + "web:v2"

	// stepTimeout bounds the waiting for one thing.
	stepTimeout  = 60 * time.Second
	pollInterval = 100 * time.Millisecond
	// forEver is a grace period that holds a pod in its drain until the test has seen enough.
	forEver = 3600
)

// env is a namespace with its CloneSets, and what a test does with it. Its methods fail the test themselves.
type env struct {
	*testing.T
	ctx       context.Context
	cluster   *framework.Cluster
	client    client.WithWatch
	view      *framework.View
	namespace string
	// changes is how often the test has changed its CloneSet.
	changes int
}

// newEnv makes a namespace for a test that runs beside others, under the manager that they share.
func newEnv(t *testing.T) *env {
	t.Helper()
	t.Parallel()
	e := newQuietEnv(t)
	release, err := shared.manager.Use(context.Background(), e.cluster.Config)
	e.must(err)
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Errorf("the manager: %v", err)
		}
	})
	return e
}

// newQuietEnv makes a namespace for a test that brings its own manager. No other test runs meanwhile.
func newQuietEnv(t *testing.T) *env {
	t.Helper()
	e := &env{T: t, ctx: t.Context(), cluster: shared.cluster(t)}
	e.client = e.cluster.Client
	var err error
	e.namespace, e.view, err = e.cluster.NewNamespace(e.ctx, "test")
	e.must(err)
	t.Cleanup(e.tearDown)
	return e
}

func (e *env) tearDown() {
	if e.Failed() {
		e.Logf("%s", e.view.Describe(app))
	}
	if err := e.cluster.DeleteNamespace(context.WithoutCancel(e.ctx), e.namespace); err != nil {
		e.Errorf("deleting the namespace: %v", err)
	}
}

// startManager starts a manager of the test's own.
func (e *env) startManager() *harness.Manager {
	e.Helper()
	m, err := harness.StartManager(context.WithoutCancel(e.ctx), e.cluster.Config, "")
	e.must(err)
	e.Cleanup(func() { e.stopManager(m) })
	return m
}

func (e *env) stopManager(m *harness.Manager) {
	e.Helper()
	if err := m.Stop(); err != nil {
		e.Errorf("the manager: %v", err)
	}
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// cloneSet returns a CloneSet whose pods have a web server, a helper, a native sidecar and an init container. One pod is
// updated at a time, with no grace period. They end within a second, which is also how long an update may have to wait
// for proof that a container is the last one.
func (e *env) cloneSet(name string, replicas int32) *appsv1beta1.CloneSet {
	w := &framework.Workload{
		Name: name, Namespace: e.namespace, Replicas: replicas, MaxUnavailable: intstr.FromInt32(1),
		Image: imageV1, HelperImage: "registry.example/tools:v1", SidecarImage: "registry.example/proxy:v1",
	}
	set := w.CloneSet()
	set.Spec.Template.Spec.TerminationGracePeriodSeconds = new(int64(1))
	return set
}

// created creates the test's CloneSet, as the changes make it, and waits for it to be complete.
func (e *env) created(replicas int32, changes ...func(*appsv1beta1.CloneSet)) {
	e.Helper()
	set := e.cloneSet(app, replicas)
	for _, change := range changes {
		change(set)
	}
	e.must(e.client.Create(e.ctx, set))
	e.untilComplete(app)
}

// change alters the test's CloneSet, and waits for the view to show it.
func (e *env) change(changes ...func(*appsv1beta1.CloneSet)) {
	e.Helper()
	e.changes++
	set := &appsv1beta1.CloneSet{}
	e.must(untilNoConflict(func() error {
		if err := e.client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, set); err != nil {
			return err
		}
		for _, change := range changes {
			change(set)
		}
		return e.client.Update(e.ctx, set)
	}))
	e.until(func() (bool, string) { return e.view.Generation(set) >= set.Generation, "the change is not seen" })
}

// untilNoConflict makes an update until nobody else's came in between. The manager writes the status with every step that a
// pod takes, and on a busy machine some of those come between a read and an update.
func untilNoConflict(update func() error) error {
	return retry.RetryOnConflict(wait.Backoff{Steps: 30, Duration: 10 * time.Millisecond, Factor: 1.3, Jitter: 0.5}, update)
}

func setImage(image string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Image = image }
}

// unrehearsed leaves it to the kubelets to pull images, with the old container stopped already.
func unrehearsed(set *appsv1beta1.CloneSet) {
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal.Policy = appsv1beta1.RehearseNever
}

func setReplicas(replicas int32) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = &replicas }
}

func setPartition(partition intstr.IntOrString) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.Partition = &partition }
}

func setMaxUnavailable(pods intstr.IntOrString) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = &pods }
}

func setPaused(paused bool) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.Paused = paused }
}

func setGrace(seconds int32) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = &seconds
	}
}

func setPolicy(policy appsv1beta1.PodUpdatePolicy) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy = policy }
}

func setEnv(value string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: value}}
	}
}

func setLabel(key, value string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Template.Labels[key] = value }
}

// until waits for a condition to hold, by watching.
func (e *env) until(condition func() (done bool, missing string)) {
	e.Helper()
	ctx, cancel := context.WithTimeoutCause(e.ctx, stepTimeout, errors.New("timed out"))
	defer cancel()
	e.must(e.view.Until(ctx, condition))
}

// poll waits for a condition on what the view does not show.
func (e *env) poll(condition func() (done bool, missing string)) {
	e.Helper()
	var missing string
	err := wait.PollUntilContextTimeout(e.ctx, pollInterval, stepTimeout, true, func(context.Context) (done bool, err error) {
		done, missing = condition()
		return done, nil
	})
	if err != nil {
		e.Fatalf("%v: %s", err, missing)
	}
}

func (e *env) untilComplete(name string) {
	e.Helper()
	e.until(func() (bool, string) { return e.view.Complete(name) })
}

// untilSet waits for the status of the present generation of the test's CloneSet to satisfy the condition.
func (e *env) untilSet(missing string, condition func(*appsv1beta1.CloneSet) bool) *appsv1beta1.CloneSet {
	e.Helper()
	var set *appsv1beta1.CloneSet
	e.until(func() (bool, string) {
		set = e.view.CloneSet(app)
		done := set != nil && set.Status.ObservedGeneration == set.Generation && condition(set)
		return done, missing + ":\n" + e.view.Describe(app)
	})
	return set
}

// untilPod waits for a pod of the test's CloneSet that satisfies the condition and returns it.
func (e *env) untilPod(missing string, condition func(*corev1.Pod) bool) *corev1.Pod {
	e.Helper()
	var found *corev1.Pod
	e.until(func() (bool, string) {
		for _, pod := range e.view.Pods(app) {
			if condition(pod) {
				found = pod
				return true, ""
			}
		}
		return false, "no pod " + missing + ":\n" + e.view.Describe(app)
	})
	return found
}

// edit changes a pod by hand and waits for the view to show it.
func (e *env) edit(pod *corev1.Pod, change func(*corev1.Pod)) {
	e.Helper()
	e.patch(pod, change, func(after *corev1.Pod, patch client.Patch) error { return e.client.Patch(e.ctx, after, patch) })
}

// editStatus does the same with its status.
func (e *env) editStatus(pod *corev1.Pod, change func(*corev1.Pod)) {
	e.Helper()
	e.patch(pod, change, func(after *corev1.Pod, patch client.Patch) error {
		return e.client.Status().Patch(e.ctx, after, patch)
	})
}

func (e *env) patch(pod *corev1.Pod, change func(*corev1.Pod), send func(*corev1.Pod, client.Patch) error) {
	e.Helper()
	after := pod.DeepCopy()
	change(after)
	e.must(send(after, client.StrategicMergeFrom(pod)))
}
