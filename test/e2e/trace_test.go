package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// The web server's image goes from A to B and back before the kubelet acts on either: it is busy pulling the image of the
// sidecar. No restart of the web server ever comes, and none must be waited for.
func TestImageSetBackBeforeTheKubeletActed(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.Replicas = 1 })
	before := e.pods()
	e.change(unrehearsed)
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.InitContainers[1].Image = ref(slowTools) })
	e.untilPod("the sidecar's image is not changed", func(p *corev1.Pod) bool {
		seen := p.Status.ObservedGeneration == p.Generation || p.Status.ObservedGeneration == 0 // an older kubelet tells none
		return seen && p.Spec.InitContainers[1].Image == ref(slowTools)
	})
	for _, image := range []string{ref(webV2), ref(webV1)} {
		e.setImage(image)
		e.untilPod("the web server's image is not changed", func(p *corev1.Pod) bool {
			return p.Spec.Containers[0].Image == image
		})
	}
	if n := restartsOf(e.pods()[0], framework.Sidecar); n != 0 {
		t.Fatalf("the sidecar was restarted %d times before the images were set, so that this test tests nothing", n)
	}
	e.untilComplete()
	e.unchanged(before, framework.Sidecar)
	e.restartedOnce(framework.Sidecar)
}

// A changes to B, which takes long to pull, and then to C. B's container runs for a moment at C's generation; it must not
// be taken for C's.
func TestSlowImageThatIsReplacedByAnother(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.Replicas = 2 })
	before := e.pods()
	e.change(unrehearsed)
	e.setImage(ref(slowerWeb))
	e.untilPod("no pod has the slow image", func(p *corev1.Pod) bool {
		return p.Spec.Containers[0].Image == ref(slowerWeb) && p.Status.ObservedGeneration == p.Generation
	})
	early := e.confirmedEarly(webV3)
	e.setImage(ref(webV3))
	e.untilComplete()
	for uid, container := range early() {
		t.Errorf("pod %s was put back into service with container %s, which is not one of the wanted image", uid, container)
	}
	e.unchanged(before, framework.MainContainer)
	e.expectAnswers("v3")
}

// confirmedEarly collects, until stop is called, the containers with which pods were in service although they were asked
// for the image of wanted, and which do not run any more when stop is called.
func (e *env) confirmedEarly(wanted string) (stop func() map[types.UID]string) {
	inService := map[types.UID]string{}
	end := e.view.Observe(func() {
		for _, pod := range e.pods() {
			if pod.Spec.Containers[0].Image == ref(wanted) && framework.InServiceByGate(pod) && inService[pod.UID] == "" {
				inService[pod.UID] = containerStatus(pod, framework.MainContainer).ContainerID
			}
		}
	})
	return func() map[types.UID]string {
		end()
		for _, pod := range e.pods() {
			if inService[pod.UID] == containerStatus(pod, framework.MainContainer).ContainerID {
				delete(inService, pod.UID)
			}
		}
		return inService
	}
}

// With publishNotReadyAddresses an endpoint stays ready for ever. Whether it is drained is told by serving alone.
func TestServiceThatPublishesNotReadyAddresses(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	headless := e.spec.Service()
	headless.Name, headless.Spec.ClusterIP, headless.Spec.PublishNotReadyAddresses = "peers", "None", true
	e.must(e.cluster.Client.Create(e.ctx, headless))
	e.must(e.view.UntilInService(e.ctx, headless.Name, int(e.spec.Replicas)))
	before := e.pods()
	e.setImage(ref(webV2))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
}
