package integration_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

const always, cascading = appsv1beta1.DeleteProtectionAlways, appsv1beta1.DeleteProtectionCascading

// sheltered is a namespace in which the chart's policies are in force.
type sheltered struct {
	*env
}

func newSheltered(t *testing.T) sheltered {
	t.Helper()
	cluster := harness.Connect(t)
	t.Parallel()
	s := sheltered{&env{T: t, ctx: t.Context(), client: cluster.Client, namespace: cluster.Namespace(t)}}
	for _, object := range render(t, "any", "{}") {
		if !strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			continue
		}
		object.SetName(object.GetName() + "-" + s.namespace)
		if object.GetKind() == "ValidatingAdmissionPolicyBinding" {
			s.confine(object)
		}
		createUntilEnd(t, cluster, object)
	}
	s.untilInForce()
	return s
}

// confine has a binding bind the policy of its own name, in the test's namespace only.
func (s sheltered) confine(binding *unstructured.Unstructured) {
	s.Helper()
	s.must(unstructured.SetNestedField(binding.Object, binding.GetName(), "spec", "policyName"))
	s.must(unstructured.SetNestedStringMap(binding.Object, map[string]string{"kubernetes.io/metadata.name": s.namespace},
		"spec", "matchResources", "namespaceSelector", "matchLabels"))
}

// untilInForce waits for both policies.
func (s sheltered) untilInForce() {
	s.Helper()
	probe := s.protected("probe", always, 1)
	s.poll(func() (bool, string) {
		deleted, scaled := s.client.Delete(s.ctx, probe, client.DryRunAll), s.scale(probe, 0, client.DryRunAll)
		return deleted != nil && scaled != nil, "the policies are not in force"
	})
}

// protected creates a CloneSet with the annotation.
func (s sheltered) protected(name, protection string, replicas int32) *appsv1beta1.CloneSet {
	s.Helper()
	set := &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	set.Spec.Replicas = &replicas
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	set.Spec.Template.Labels = set.Spec.Selector.MatchLabels
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: imageV1}}
	if protection != "" {
		set.Annotations = map[string]string{appsv1beta1.DeleteProtectionAnnotation: protection}
	}
	s.must(s.client.Create(s.ctx, set))
	return set
}

func (s sheltered) patched(set *appsv1beta1.CloneSet, patch string) error {
	return s.client.Patch(s.ctx, set.DeepCopy(), client.RawPatch("application/merge-patch+json", asJSON(s.T, patch)))
}

// expectProtected checks that something was refused, and that the message tells the way out.
func (s sheltered) expectProtected(what string, err error, wayOut string) {
	s.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), wayOut) {
		s.Errorf("%s: got the error %v, want %s", what, err, wayOut)
	}
}

func TestProtectedAlways(t *testing.T) {
	s := newSheltered(t)
	web, other := s.protected("web", always, 2), s.protected("other", "", 2)
	wayOut := "kubectl -n " + s.namespace + " annotate cloneset web " + appsv1beta1.DeleteProtectionAnnotation + "-"

	s.expectProtected("deleted", s.client.Delete(s.ctx, web), wayOut)
	s.expectProtected("deleted with all others", s.client.DeleteAllOf(s.ctx, &appsv1beta1.CloneSet{},
		client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": "web"}), wayOut)
	s.expectProtected("scaled by its spec", s.patched(web, `{spec: {replicas: 0}}`), wayOut)
	s.expectProtected("scaled by /scale", s.scale(web, 0), wayOut)
	s.expectProtected("scaled by /scale as a dry run", s.scale(web, 0, client.DryRunAll), wayOut)

	s.must(s.scale(web, 1))
	s.must(s.patched(web, `{spec: {replicas: 3}}`))
	s.must(s.scale(other, 0))
	s.must(s.patched(other, `{spec: {replicas: 0}}`))
	s.must(s.client.Delete(s.ctx, other))

	s.must(s.patched(web, `{metadata: {annotations: {`+appsv1beta1.DeleteProtectionAnnotation+`: null}}}`))
	s.poll(func() (bool, string) { // The policy of /scale follows the CloneSets by watching them.
		return s.scale(web, 0) == nil, "the annotation is gone, but /scale does not know of it"
	})
	s.must(s.client.Delete(s.ctx, web))
}

func TestProtectedWhileItHasReplicas(t *testing.T) {
	s := newSheltered(t)
	web := s.protected("web", cascading, 2)
	s.expectProtected("deleted", s.client.Delete(s.ctx, web), "scale it to zero first")
	s.must(s.scale(web, 0))
	s.must(s.client.Delete(s.ctx, web))
}

// Whoever has no replicas may keep having none.
func TestProtectedWithoutReplicas(t *testing.T) {
	s := newSheltered(t)
	web := s.protected("web", always, 0)
	s.must(s.patched(web, ofRolling(`paused: true`)))
	s.must(s.scale(web, 0))
	s.expectProtected("deleted", s.client.Delete(s.ctx, web), "remove that first")
}

func TestProtectionIsSpelledRight(t *testing.T) {
	s := newSheltered(t)
	web := s.protected("web", "", 1)
	for _, value := range []string{"always", "true", "Never"} {
		err := s.patched(web, `{metadata: {annotations: {`+appsv1beta1.DeleteProtectionAnnotation+`: "`+value+`"}}}`)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "must be Always or Cascading, not "+value) {
			t.Errorf("%s: got the error %v", value, err)
		}
	}
	s.must(s.patched(web, `{metadata: {annotations: {`+appsv1beta1.DeleteProtectionAnnotation+`: ""}}}`))
	s.must(s.client.Delete(s.ctx, web))
}

// A namespace that is deleted takes everything with it but the CloneSet, and stays until that may go.
func TestProtectedInANamespaceThatIsDeleted(t *testing.T) {
	s := newSheltered(t)
	web := s.protected("web", always, 1)
	probe := &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "probe"}}
	const lift = `{metadata: {annotations: {` + appsv1beta1.DeleteProtectionAnnotation + `: null}}}`
	s.must(s.patched(probe, lift))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.must(s.client.Delete(s.ctx, namespace))
	s.poll(func() (bool, string) {
		s.must(s.client.Get(s.ctx, client.ObjectKeyFromObject(namespace), namespace))
		for _, condition := range namespace.Status.Conditions {
			if condition.Type == corev1.NamespaceDeletionContentFailure && strings.Contains(condition.Message, "remove that first") {
				return true, ""
			}
		}
		return false, "the namespace does not say why it stays"
	})
	s.must(s.client.Get(s.ctx, client.ObjectKeyFromObject(web), web))
	s.must(s.patched(web, lift))
}
