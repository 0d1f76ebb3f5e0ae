package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

// The webhook as the chart installs it: the API server reaches it through its Service, trusts its certificate, and what it
// refuses is refused. A good template goes through, and the pods stay.
func TestWebhookRefusesBadTemplates(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.expectRefused("a port beyond 65535", "spec.template.spec.containers[0].ports[0].containerPort", func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 65536}}
	})
	e.expectRefused("a mount of no volume", "spec.template.spec.containers[0].volumeMounts", func(set *appsv1beta1.CloneSet) {
		main := &set.Spec.Template.Spec.Containers[0]
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: "missing", MountPath: "/missing"})
	})
	e.expectRefused("InPlaceOnly with another environment", "spec.template."+envPath, func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy = appsv1beta1.InPlaceOnlyPodUpdatePolicy
		setEnv(set)
	})
	e.unchanged(before)

	e.setImage(ref(webV2))
	e.untilComplete()
	if got := rollout.Compare(before, e.pods()); got.SameUID != len(before) {
		t.Errorf("%d of %d pods stayed", got.SameUID, len(before))
	}
}

// expectRefused checks that the webhook refuses a change, with the field.
func (e *env) expectRefused(what, field string, alter func(*appsv1beta1.CloneSet)) {
	e.Helper()
	set := e.read()
	before := set.DeepCopy()
	alter(set)
	err := e.cluster.Client.Patch(e.ctx, set, client.MergeFrom(before))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "admission webhook") {
		e.Errorf("%s: got the error %v, want %s", what, err, field)
	}
}

// read returns the CloneSet as it is stored.
func (e *env) read() *appsv1beta1.CloneSet {
	e.Helper()
	set := &appsv1beta1.CloneSet{}
	e.must(e.cluster.Client.Get(e.ctx, client.ObjectKey{Namespace: e.namespace, Name: app}, set))
	return set
}

func TestProtectedCloneSetStays(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	protect := func(value string) {
		set := e.read()
		before := set.DeepCopy()
		set.Annotations = map[string]string{appsv1beta1.DeleteProtectionAnnotation: value}
		e.must(e.cluster.Client.Patch(e.ctx, set, client.MergeFrom(before)))
	}
	protect(appsv1beta1.DeleteProtectionAlways)
	if err := e.cluster.Client.Delete(e.ctx, e.read()); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "remove that first") {
		t.Errorf("deleted: got the error %v", err)
	}
	set := e.read()
	before := set.DeepCopy()
	set.Spec.Replicas = new(int32(0))
	if err := e.cluster.Client.Patch(e.ctx, set, client.MergeFrom(before)); !apierrors.IsForbidden(err) {
		t.Errorf("scaled to zero: got the error %v", err)
	}
	protect("")
	e.must(e.cluster.Client.Delete(e.ctx, e.read()))
}
