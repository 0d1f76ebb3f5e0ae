package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// wayBack is how long the old version may take to serve again on every pod after the last failure that was allowed.
const wayBack = 10 * time.Second

// A release that crashes is taken back on every pod that it came to, in time and within maxUnavailable, and setting it
// again does nothing.
func TestCrashingReleaseIsTakenBack(t *testing.T) {
	t.Parallel()
	e := newCrashEnv(t)
	before := e.pods()
	stop := e.touched(ref(webCrash))
	expectInTime := e.timeWayBack(2)
	e.setImage(ref(webCrash))
	e.untilRolledBack()
	expectInTime()

	e.setImage(ref(webV1))
	e.untilComplete()
	e.setImage(ref(webCrash))
	e.untilRolledBack()
	if pods := stop(); pods.Len() != 2 {
		t.Errorf("%d pods were given the image that crashes, want 2", pods.Len())
	}
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}

// So it is under a PodDisruptionBudget that has no place for another pod while the first one fails.
func TestCrashingReleaseIsTakenBackUnderABudget(t *testing.T) {
	t.Parallel()
	e := newCrashEnv(t)
	before := e.pods()
	e.protect(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))})
	stop := e.touched(ref(webCrash))
	expectInTime := e.timeWayBack(1)
	e.setImage(ref(webCrash))
	e.untilRolledBack()
	expectInTime()
	if pods := stop(); pods.Len() != 1 {
		t.Errorf("%d pods were given the image that crashes, want 1", pods.Len())
	}
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}

// newCrashEnv returns one whose workload has two pods out of service at a time, and is taken back when two have failed.
func newCrashEnv(t *testing.T) *env {
	t.Helper()
	e := newEnv(t, func(w *framework.Workload) {
		w.Replicas, w.MaxUnavailable, w.GracePeriodSeconds = 4, intstr.FromInt32(2), graceSeconds
	})
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy = appsv1beta1.FailurePolicy{
			MaxFailed: new(intstr.FromInt32(2)), Action: appsv1beta1.RollbackOnFailure,
		}
	})
	e.startLoad()
	return e
}

// untilRolledBack waits until the status says that the release was given up, and that no pod is at it.
func (e *env) untilRolledBack() {
	e.Helper()
	e.untilSet("it is not taken back", func(set *appsv1beta1.CloneSet) bool {
		stalled := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionStalled)
		return stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == appsv1beta1.ReasonRolledBack
	})
}

// outage is what was seen of a release that crashes: since when as many pods had failed as may, since when all pods served the
// old version again, and how many were out of service at a time.
type outage struct {
	mu           sync.Mutex
	failures     int
	failed, back time.Time
	most         int
}

// see takes the pods in as they are now.
func (o *outage) see(pods []*corev1.Pod, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	crashing, out := 0, 0
	for _, pod := range pods {
		if crashes(pod) {
			crashing++
		}
		if !framework.IsReady(pod) || pod.Spec.Containers[0].Image != ref(webV1) {
			out++
		}
	}
	o.most = max(o.most, out)
	switch {
	case o.failed.IsZero() && crashing >= o.failures:
		o.failed = now
	case !o.failed.IsZero() && o.back.IsZero() && out == 0:
		o.back = now
	}
}

func (o *outage) isOver() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.back.IsZero()
}

// timeWayBack checks, when the function that it returns is called, how long it took from when that many pods had failed
// until all pods served the old version again, and that no more of them were out of service at a time than may be.
func (e *env) timeWayBack(failures int) (expect func()) {
	e.Helper()
	o := &outage{failures: failures}
	stop := e.view.Observe(func() { o.see(e.pods(), time.Now()) })
	return func() {
		e.Helper()
		e.until(func() (bool, string) {
			return o.isOver(), "the old version does not serve again:\n" + e.view.Describe(app)
		})
		stop()
		took := o.back.Sub(o.failed)
		e.Logf("the old version serves again %s after the last failure that was allowed; at most %d pods were out of service",
			took.Round(10*time.Millisecond), o.most)
		if took > wayBack || o.most > int(e.spec.MaxUnavailable.IntVal) {
			e.Errorf("that is more than %s, or than %s pods", wayBack, e.spec.MaxUnavailable.String())
		}
	}
}

// crashes tells whether the kubelet waits before it starts the web server of a pod once more.
func crashes(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(status corev1.ContainerStatus) bool {
		return status.Name == framework.MainContainer && status.State.Waiting != nil && status.State.Waiting.Reason == "CrashLoopBackOff"
	})
}

// protect makes a PodDisruptionBudget of the workload, and waits until it was counted.
func (e *env) protect(spec policyv1.PodDisruptionBudgetSpec) *policyv1.PodDisruptionBudget {
	e.Helper()
	spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{framework.AppLabel: app}}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app}, Spec: spec}
	e.must(e.cluster.Client.Create(e.ctx, budget))
	e.untilBudget(budget, func(s *policyv1.PodDisruptionBudgetStatus) bool { return s.DisruptionsAllowed > 0 })
	return budget
}
