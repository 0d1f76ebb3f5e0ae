package integration_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/integration/harness"
)

// refusal is what a merge patch of the smallest valid CloneSet is refused with at creation.
type refusal struct {
	patch   string
	field   string
	message string
}

func TestRefusesAtCreation(t *testing.T) {
	cluster := harness.Connect(t)
	namespace := cluster.Namespace(t)
	for name, want := range refusals() {
		t.Run(name, func(t *testing.T) {
			object := manifest(t, namespace, want.patch)
			checkRefused(t, cluster.Client.Create(t.Context(), object), want.field, want.message)
		})
	}
}

func TestRefusesAtUpdate(t *testing.T) {
	cluster := harness.Connect(t)
	namespace := cluster.Namespace(t)
	object := manifest(t, namespace, `{}`)
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	cases := map[string]refusal{
		"another selector": {
			patch: `{spec: {selector: {matchLabels: {app: other}}, template: {metadata: {labels: {app: other}}}}}`,
			field: "spec.selector", message: "cannot be changed",
		},
		"a wider selector": {
			patch: `{spec: {selector: {matchExpressions: [{key: app, operator: Exists}]}}}`,
			field: "spec.selector", message: "cannot be changed",
		},
		"a template that the selector does not match": {
			patch: `{spec: {template: {metadata: {labels: {app: other}}}}}`,
			field: "spec.selector", message: "must be among the labels",
		},
		"replicas below 0": {
			patch: `{spec: {replicas: -1}}`,
			field: "spec.replicas", message: "greater than or equal to 0",
		},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			patch := client.RawPatch("application/merge-patch+json", asJSON(t, want.patch))
			checkRefused(t, cluster.Client.Patch(t.Context(), object.DeepCopy(), patch), want.field, want.message)
		})
	}
}

// checkRefused checks that err names the field, as a cause of its own or, for unknown fields, in its text.
func checkRefused(t *testing.T, err error, field, message string) {
	t.Helper()
	if err == nil {
		t.Fatal("admitted")
	}
	t.Log(err)
	if apierrors.IsBadRequest(err) {
		if !strings.Contains(err.Error(), message+` "`+field+`"`) {
			t.Errorf("want %s %q", message, field)
		}
		return
	}
	if !slices.ContainsFunc(causes(err), func(cause metav1.StatusCause) bool {
		return cause.Field == field && strings.Contains(cause.Message, message)
	}) {
		t.Errorf("want %s: ...%s...", field, message)
	}
}

func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return nil
	}
	return status.Status().Details.Causes
}

func TestRefusesScalingBelowZero(t *testing.T) {
	cluster := harness.Connect(t)
	object := manifest(t, cluster.Namespace(t), `{}`)
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	scale := &unstructured.Unstructured{}
	if err := cluster.Client.SubResource("scale").Get(t.Context(), object, scale); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(scale.Object, int64(-1), "spec", "replicas"); err != nil {
		t.Fatal(err)
	}
	err := cluster.Client.SubResource("scale").Update(t.Context(), object, client.WithSubResourceBody(scale))
	checkRefused(t, err, "spec.replicas", "greater than or equal to 0")
}
