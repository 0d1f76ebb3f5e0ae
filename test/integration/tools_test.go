package integration_test

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// What kubectl scale and the HorizontalPodAutoscaler use.
func TestScaleSubresource(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	set := e.view.CloneSet(app).DeepCopy()
	scale := &autoscalingv1.Scale{}
	e.must(e.client.SubResource("scale").Get(e.ctx, set, scale))
	if scale.Spec.Replicas != 2 || scale.Status.Replicas != 2 || scale.Status.Selector != "app=web" {
		t.Errorf("the scale is %+v", scale)
	}
	scale.Spec.Replicas = 3
	e.must(e.client.SubResource("scale").Update(e.ctx, set, client.WithSubResourceBody(scale)))
	e.untilSet("not scaled", func(set *appsv1beta1.CloneSet) bool {
		return *set.Spec.Replicas == 3 && set.Status.AvailableReplicas == 3
	})
}

// What kubectl wait and tools that follow the kstatus convention use: while the generation is observed and pods are on
// their way, Reconciling is True; at the end it is False, and nothing else is in the way.
func TestConditionsDuringRollout(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	e.change(setImage(slowImage))
	set := e.untilSet("not reconciling", func(set *appsv1beta1.CloneSet) bool {
		return meta.IsStatusConditionTrue(set.Status.Conditions, appsv1beta1.ConditionReconciling)
	})
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse)
	e.untilComplete(app)
	set = e.untilReason(appsv1beta1.ReasonComplete, "")
	e.expectConditions(set, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse)
	for _, c := range set.Status.Conditions {
		if c.ObservedGeneration != set.Generation {
			t.Errorf("condition %s is of generation %d, the CloneSet of %d", c.Type, c.ObservedGeneration, set.Generation)
		}
	}
}

// What kubectl get prints.
func TestPrinterColumns(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	row := e.row()
	for column, want := range map[string]any{
		"Name": app, "Desired": int64(2), "Updated": int64(2), "Target": int64(2), "Ready": int64(2),
		"Available": int64(2), "State": appsv1beta1.ReasonComplete, "Message": "2 of 2 pods are updated, 2 of them available",
	} {
		if row[column] != want {
			t.Errorf("column %s is %v (%T), want %v", column, row[column], row[column], want)
		}
	}
	e.change(setReplicas(0))
	e.untilComplete(app)
	for _, column := range []string{"Desired", "Updated", "Target", "Ready", "Available"} {
		if got := e.row()[column]; got != int64(0) {
			t.Errorf("column %s is %v (%T), want 0", column, got, got)
		}
	}
}

// row returns what kubectl get -o wide prints of the test's CloneSet, by column.
func (e *env) row() map[string]any {
	e.Helper()
	config := rest.CopyConfig(e.cluster.Config)
	config.APIPath, config.GroupVersion = "/apis", &appsv1beta1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(e.client.Scheme()).WithoutConversion()
	reader, err := rest.RESTClientFor(config)
	e.must(err)
	table := &metav1.Table{}
	e.must(reader.Get().Namespace(e.namespace).Resource("clonesets").Name(app).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(e.ctx).Into(table))
	row := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		row[column.Name] = table.Rows[0].Cells[i]
	}
	return row
}
