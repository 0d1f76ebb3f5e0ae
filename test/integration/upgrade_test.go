package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// Whatever an earlier, or a later, build has stored: a manager that starts over it writes no pod and makes no revision, and
// the next change of an image goes in place.
func TestUpgradedManagerWritesNoPod(t *testing.T) {
	for name, upgrade := range map[string]func(*env){
		"revisions lack a default, spell one out, have a field that nobody knows, and another spelling of a quantity": func(e *env) {
			e.rewriteRevisions(func(spec map[string]any) {
				web := spec["containers"].([]any)[0].(map[string]any)
				delete(web["ports"].([]any)[0].(map[string]any), "protocol")
				web["resources"].(map[string]any)["requests"] = map[string]any{"cpu": "0.1"}
				spec["dnsPolicy"] = "ClusterFirst"
				spec["fieldOfTomorrow"] = map[string]any{"a": 1}
			})
		},
		"the CustomResourceDefinition has a new default": (*env).defaultDNSPolicy,
		"pods have no state, or one with a field that nobody knows": func(e *env) {
			e.rewriteStates(func(state map[string]any) { state["fieldOfTomorrow"] = true })
			e.edit(e.view.Pods(app)[0], func(pod *corev1.Pod) { delete(pod.Annotations, appsv1beta1.InPlaceStateAnnotation) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newQuietEnv(t)
			m := e.startManager()
			e.created(2, setCPU("100m"), func(set *appsv1beta1.CloneSet) {
				set.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
			})
			e.change(setImage(imageV2))
			e.untilComplete(app)
			before, writes := e.identities(), e.podWrites()
			e.restart(m, func() { upgrade(e) })

			// It has looked when it has seen this change, which concerns no pod.
			e.change(func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32(7)) })
			e.untilReason(appsv1beta1.ReasonComplete, "2 of 2")
			e.expectIdentities(before)
			if now := e.podWrites(); !maps.Equal(now, writes) {
				t.Errorf("pods were written %v before and %v after", writes, now)
			}
			if n := len(e.revisions()); n != 2 {
				t.Errorf("there are %d revisions, want 2", n)
			}

			e.change(setImage("registry.example/web:v3"))
			e.untilComplete(app)
			e.expectIdentities(before)
			e.expectCount(2, "run the newest image", runs("registry.example/web:v3"))
		})
	}
}

// What the manager takes for defaults is what the API server takes for them.
func TestDefaultsAreThoseOfTheAPIServer(t *testing.T) {
	e := newEnv(t)
	template := e.cloneSet(app, 1).Spec.Template
	template.Spec.Volumes = []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "config"},
		}}},
		{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret"}}},
		{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/host"}}},
		{Name: "all", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}},
		}}},
		{Name: "names", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
			Items: []corev1.DownwardAPIVolumeFile{{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		}}},
	}
	web := &template.Spec.Containers[0]
	web.Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	web.Env = []corev1.EnvVar{{Name: "NAME", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
	}}}
	web.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}}
	web.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
		HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080)},
	}}
	// The only default that follows from another field.
	for _, containers := range [][]corev1.Container{template.Spec.InitContainers, template.Spec.Containers} {
		for i := range containers {
			containers[i].ImagePullPolicy = corev1.PullIfNotPresent
		}
	}
	given := &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app}, Template: *template.DeepCopy(),
	}
	e.must(e.client.Create(e.ctx, given, client.DryRunAll))
	if !inplace.SameTemplate(&template, &given.Template) {
		change := inplace.Compare(&template, &given.Template)
		t.Errorf("the template with defaults differs at %s", change.Field)
	}
}

// rewriteRevisions stores the revisions anew, with changed pod specs. Their data cannot be changed.
func (e *env) rewriteRevisions(change func(spec map[string]any)) {
	e.Helper()
	for _, revision := range e.revisions() {
		e.must(e.client.Delete(e.ctx, revision))
		var data map[string]any
		e.must(json.Unmarshal(revision.Data.Raw, &data))
		change(data["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any))
		raw, err := json.Marshal(data)
		e.must(err)
		if string(raw) == string(revision.Data.Raw) {
			e.Fatal("nothing in the revision is changed")
		}
		revision.UID, revision.ResourceVersion, revision.Data.Raw = "", "", raw
		e.must(e.client.Create(e.ctx, revision))
	}
}

// rewriteStates changes what the pods say of their last update.
func (e *env) rewriteStates(change func(state map[string]any)) {
	e.Helper()
	for _, pod := range e.view.Pods(app) {
		var state map[string]any
		e.must(json.Unmarshal([]byte(pod.Annotations[appsv1beta1.InPlaceStateAnnotation]), &state))
		change(state)
		raw, err := json.Marshal(state)
		e.must(err)
		e.edit(pod, func(pod *corev1.Pod) { pod.Annotations[appsv1beta1.InPlaceStateAnnotation] = string(raw) })
	}
}

// defaultDNSPolicy has the CustomResourceDefinition give templates a default of the dnsPolicy, until the test ends.
func (e *env) defaultDNSPolicy() {
	e.Helper()
	ctx := context.WithoutCancel(e.ctx)
	definition := &apiextensionsv1.CustomResourceDefinition{}
	e.must(apiextensionsv1.AddToScheme(e.client.Scheme()))
	e.must(e.client.Get(ctx, client.ObjectKey{Name: "clonesets." + appsv1beta1.GroupVersion.Group}, definition))
	const path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/template/properties/spec" +
		"/properties/dnsPolicy/default"
	patch := func(operation string, want corev1.DNSPolicy) {
		e.Helper()
		raw := client.RawPatch(types.JSONPatchType, fmt.Appendf(nil, `[{"op":%q,"path":%q,"value":"ClusterFirst"}]`, operation, path))
		e.must(e.client.Patch(ctx, definition, raw))
		e.must(wait.PollUntilContextTimeout(ctx, pollInterval, stepTimeout, true, func(ctx context.Context) (bool, error) {
			probe := e.cloneSet("probe", 1)
			err := e.client.Create(ctx, probe, client.DryRunAll)
			return probe.Spec.Template.Spec.DNSPolicy == want, err
		}))
	}
	patch("add", corev1.DNSClusterFirst)
	e.Cleanup(func() { patch("remove", "") })
}
