package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	// deadRegistry is an address of the node's at which nobody listens.
	deadRegistry = "127.0.0.1:5999"
	// returningRegistry is one at which somebody listens later.
	returningRegistry = "127.0.0.1:5998"
	// tellWithin is how soon the status has to say what is wrong with an image.
	tellWithin = 15 * time.Second
)

// untilTold waits until the status gives a reason for which the rollout does not go on, with all of some words, and fails
// the test if that took too long.
func (e *env) untilTold(since time.Time, reason string, words ...string) {
	e.Helper()
	e.untilSet(fmt.Sprintf("want %s, %q", reason, words), func(set *appsv1beta1.CloneSet) bool {
		progressing := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing)
		return progressing != nil && progressing.Reason == reason &&
			!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(progressing.Message, word) })
	})
	if took := time.Since(since); took > tellWithin {
		e.Errorf("%s was told after %s", reason, took)
	}
}

// An image that cannot be pulled, for whatever reason, restarts no container and loses no request. The reason is told at
// once, and a template that can run is rolled out at once.
func TestImageThatCannotBePulledTouchesNoPod(t *testing.T) {
	for name, tt := range map[string]struct {
		image string
		words []string
	}{
		"a missing tag":                      {ref(webMissing), []string{"not found"}},
		"a registry that is down":            {deadRegistry + "/e2e/web:v2", []string{"refused"}},
		"a private image without its secret": {ref(webPrivate), []string{"authorization failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
			e.startLoad()
			before := e.pods()
			since := time.Now()
			e.setImage(tt.image)
			e.untilTold(since, appsv1beta1.ReasonRehearsalFailed, append(tt.words, tt.image, before[0].Spec.NodeName)...)
			e.untilSent(500)
			e.unchanged(before)
			e.setImage(ref(webV2))
			e.untilComplete()
			e.unchanged(before, framework.MainContainer)
			e.restartedOnce(framework.MainContainer)
			e.expectNoFailedRequest()
			e.untilNoRehearsals()
		})
	}
}

// What was missing is noticed when it is there, with no change of the CloneSet.
func TestImageThatComesLate(t *testing.T) {
	for name, tt := range map[string]struct {
		image string
		come  func(*env) error
	}{
		"its tag": {ref(webLate), func(e *env) error {
			return e.cluster.PushImages(e.ctx, framework.Image{Ref: webLate, Version: "late", Command: []string{"serve"}})
		}},
		"its secret":   {ref(webPrivate), func(e *env) error { return e.cluster.Client.Create(e.ctx, pullSecret(e.namespace)) }},
		"its registry": {returningRegistry + "/" + webV3, func(e *env) error { return e.cluster.Client.Create(e.ctx, mirror(e.namespace)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(w *framework.Workload) { w.Replicas, w.PullSecret = 1, pullSecret("").Name })
			before := e.pods()
			e.setImage(tt.image)
			e.untilSet("the failure is not told", func(set *appsv1beta1.CloneSet) bool {
				progressing := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing)
				return progressing != nil && progressing.Reason == appsv1beta1.ReasonRehearsalFailed
			})
			e.unchanged(before)
			e.must(tt.come(e))
			e.untilComplete()
			e.unchanged(before, framework.MainContainer)
			e.restartedOnce(framework.MainContainer)
		})
	}
}

// mirror is a pod that passes on what is sent to the returning registry to the one that there is.
func mirror(namespace string) *corev1.Pod {
	_, port, _ := strings.Cut(framework.Registry, ":")
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "mirror"},
		Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{
			Name: "mirror", Image: ref(toolsV1),
			Args: []string{"balance", "--listen=" + returningRegistry, "--target=127.0.0.1", "--target-port=" + port},
		}}},
	}
}

// pullSecret is what lets the node read private images.
func pullSecret(namespace string) *corev1.Secret {
	auth := base64.StdEncoding.EncodeToString([]byte(framework.RegistryUser + ":" + framework.RegistryPassword))
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "registry"},
		Type:       corev1.SecretTypeDockerConfigJson,
		StringData: map[string]string{
			corev1.DockerConfigJsonKey: fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, framework.Registry, auth),
		},
	}
}

// A registry that hangs takes no pod out of service. It is told since when the node pulls. A new template ends that pull,
// though the kubelet has one image pulled at a time, and goes ahead.
func TestHangingPullTouchesNoPod(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	since := time.Now()
	e.setImage(ref(hangFirst))
	e.untilTold(since, appsv1beta1.ReasonRehearsing, "has been pulling "+ref(hangFirst)+" since 2")
	e.unchanged(before)
	e.setImage(ref(webV3))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.restartedOnce(framework.MainContainer)
	e.expectNoFailedRequest()
	e.untilNoRehearsals()
}

// The time that a pod is out of service does not depend on how large its new image is, and how slow the registry.
func TestPullIsNoPartOfTheOutage(t *testing.T) {
	const mebibytes, megabytesPerSecond = 200, 20
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	large := func(version string, mebibytes int64) string {
		image := framework.Image{
			Ref: fmt.Sprintf("limited%d/web:%s", megabytesPerSecond, version), Version: version, Command: []string{"serve"}, Padding: mebibytes << 20,
		}
		e.must(e.cluster.PushImages(e.ctx, image))
		return ref(image.Ref)
	}
	outage := func(image string) time.Duration {
		stop := e.view.Measure(clock.RealClock{}, app, int(e.spec.Replicas))
		e.setImage(image)
		e.untilComplete()
		e.must(e.view.UntilInService(e.ctx, app, int(e.spec.Replicas)))
		return stop().MedianOut
	}
	e.setImage(ref(webV2))
	e.untilComplete()
	present := outage(ref(webV1)) // A pod of the CloneSet has run it here.
	rehearsed := outage(large("large", mebibytes))
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = new(intstr.FromString("100%"))
	})
	e.change(unrehearsed)
	pulled := outage(large("larger", mebibytes+1))
	t.Logf("an image of %d MiB from a registry limited to %d MB/s: a pod is out of service for %.1f s; with an image that is present, %.1f s;"+
		" without a rehearsal, %.1f s", mebibytes, megabytesPerSecond, rehearsed.Seconds(), present.Seconds(), pulled.Seconds())
	if rehearsed > present+present/5 {
		t.Error("that is more than 20 % longer")
	}
	if pull := time.Duration(mebibytes<<20/megabytesPerSecond) * time.Microsecond; pulled < pull {
		t.Errorf("the pull was to take %s, so that this test tests nothing", pull)
	}
}

// untilNoRehearsals waits until the pods are gone that pulled images.
func (e *env) untilNoRehearsals() {
	e.Helper()
	e.until(func() (bool, string) {
		pods := &corev1.PodList{}
		label := client.MatchingLabels{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelRehearsal}
		e.must(e.cluster.Client.List(e.ctx, pods, client.InNamespace(e.namespace), label))
		return len(pods.Items) == 0, "pods are left that pull images"
	})
}
