package integration_test

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// A CloneSet that was stored before a validation existed: its pods are left alone, a condition says why, and it goes on
// when it is mended.
func TestInvalidSpecThatSlippedThrough(t *testing.T) {
	e := newQuietEnv(t)
	e.startManager()
	e.created(2)
	before := e.identities()
	wrong := func(set *appsv1beta1.CloneSet) {
		setImage(imageV2)(set)
		setPartition(intstr.FromString("some"))(set)
		set.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	}
	e.withoutRules(func() { e.change(wrong) })

	set := e.untilReason(appsv1beta1.ReasonInvalidSpec, "spec.updateStrategy.rollingUpdate.partition")
	e.untilReason(appsv1beta1.ReasonInvalidSpec, "spec.template.spec.restartPolicy")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse, metav1.ConditionTrue)
	if set.Status.Replicas != 2 || set.Status.ObservedGeneration != set.Generation {
		t.Errorf("status %+v", set.Status)
	}
	e.expectHealth(e.raw(), status.FailedStatus, "Degraded")
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2})
	e.expectIdentities(before)

	e.change(setPartition(intstr.FromInt32(0)), func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	})
	e.untilComplete(app)
	e.untilReason(appsv1beta1.ReasonComplete, "2 of 2")
}

// withoutRules does something while the API server knows none of the rules that CloneSets have to follow.
func (e *env) withoutRules(do func()) {
	e.Helper()
	scheme := runtime.NewScheme()
	e.must(apiextensionsv1.AddToScheme(scheme))
	admin, err := client.New(e.cluster.Config, client.Options{Scheme: scheme})
	e.must(err)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	e.must(admin.Get(e.ctx, client.ObjectKey{Name: "clonesets." + appsv1beta1.GroupVersion.Group}, crd))
	for i := range crd.Spec.Versions {
		dropRules(crd.Spec.Versions[i].Schema.OpenAPIV3Schema)
	}
	defer func() {
		harness.Connect(e.T) // It installs the definition as it is shipped.
		e.untilRulesHold(true)
	}()
	e.must(admin.Update(e.ctx, crd))
	e.untilRulesHold(false)
	do()
}

func dropRules(schema *apiextensionsv1.JSONSchemaProps) {
	schema.XValidations = nil
	for name, property := range schema.Properties {
		dropRules(&property)
		schema.Properties[name] = property
	}
}

// untilRulesHold waits until the API server refuses, or does not refuse, what breaks a rule.
func (e *env) untilRulesHold(want bool) {
	e.Helper()
	set := e.cloneSet("probe", 1)
	setPartition(intstr.FromString("some"))(set)
	e.poll(func() (bool, string) {
		err := e.client.Create(e.ctx, set.DeepCopy(), client.DryRunAll)
		if err != nil && !apierrors.IsInvalid(err) {
			e.Fatal(err)
		}
		return (err != nil) == want, "the definition of the CloneSet is not in force"
	})
}
