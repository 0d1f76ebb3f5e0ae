package kubelet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// rehearse has the node of a world pull the images of some containers.
func rehearse(t *testing.T, images ImageModel, refs ...string) *harness {
	t.Helper()
	template := &corev1.PodTemplateSpec{}
	var names []string
	for i, ref := range refs {
		names = append(names, string(rune('a'+i)))
		template.Spec.Containers = append(template.Spec.Containers, corev1.Container{Name: names[i], Image: ref})
	}
	r := inplace.Rehearsal{Namespace: "default", Prefix: "web", Node: "node-0", Revision: "web-b", Template: template, Containers: names}
	return create(t, testOptions(images), r.Pod())
}

func (h *harness) outcome() inplace.Outcome { return inplace.OutcomeOf(h.pod()) }

// A rehearsal pulls all images, tells their digests, and runs nothing.
func TestRehearsalPulls(t *testing.T) {
	h := rehearse(t, ImageTable{"app:v2": {PullTime: 20 * time.Second}}, "app:v2", "log:v2")
	h.wait(15 * time.Second)
	if o := h.outcome(); o.Began.IsZero() || len(o.Pulled) != 0 || o.Failure != nil {
		t.Errorf("while it pulls: %+v", o)
	}
	h.settle()
	o := h.outcome()
	if !o.Ended || o.Pulled["app:v2"] != DigestOf("app:v2") || o.Pulled["log:v2"] != DigestOf("log:v2") || o.Took < 20*time.Second {
		t.Errorf("got %+v", o)
	}
	if h.pod().Status.Phase != corev1.PodFailed || h.ready() || len(h.world.ServingEndpoints()) > 0 {
		t.Errorf("the pod is %s", h.describe(h.pod()))
	}
}

// A missing image is told in the registry's own words, also while the kubelet backs off; and is pulled when it is there.
func TestRehearsalOfAMissingImage(t *testing.T) {
	h := rehearse(t, ImageTable{"app:v2": {PullError: "no such tag", PullErrorUntil: testStart.Add(2 * time.Minute)}}, "app:v2", "log:v2")
	h.until("it has failed", func() bool { return h.outcome().Failure != nil })
	if took := h.world.Now().Sub(testStart); took > 5*time.Second {
		t.Errorf("it was told after %s", took)
	}
	h.until("the kubelet backs off", func() bool {
		o := h.outcome()
		return o.Failure != nil && o.Failure.Reason == "ImagePullBackOff" && strings.Contains(o.Failure.Message, "no such tag")
	})
	if _, pulled := h.outcome().Pulled["log:v2"]; !pulled {
		t.Error("one image stands in the way of the other")
	}
	h.settle()
	if o := h.outcome(); !o.Proves(o.Images) {
		t.Errorf("got %+v", o)
	}
}

// It goes at once, even while the kubelet pulls.
func TestRehearsalIsDeleted(t *testing.T) {
	h := rehearse(t, ImageTable{"app:v2": {PullTime: time.Hour}}, "app:v2")
	h.wait(time.Minute)
	if _, err := h.world.Delete(h.name, metav1.DeleteOptions{}); err != nil || h.pod() != nil {
		t.Errorf("%v, it is still there", err)
	}
}
