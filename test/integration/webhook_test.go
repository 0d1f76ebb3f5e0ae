package integration_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// What may be there when the controller makes the pod is no reason to refuse its template.
func TestWebhookWarnsOfWhatIsInTheWay(t *testing.T) {
	g := newGuarded(t)
	for patch, want := range map[string]string{
		ofPod(`serviceAccountName: later`):      `serviceaccount "later" not found`,
		ofPod(`priorityClassName: later`):       `no PriorityClass with name later was found`,
		ofPod(`runtimeClassName: later`):        `RuntimeClass "later" not found`,
		ofPod(`priority: 1`):                    `must not be provided in pod spec`,
		ofPod(`serviceAccountName: In-Capital`): `serviceaccount "In-Capital" not found`,
	} {
		g.must(g.try(patch))
		g.expectWarnings(want)
	}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}
	g.must(g.client.Create(t.Context(), quota))
	g.poll(func() bool {
		g.must(g.try(`{}`))
		return len(g.warnings.take()) > 0
	})
	g.must(g.try(`{}`))
	g.expectWarnings("exceeded quota: none")
}

// The API server's own warnings about a pod are passed on, with the field where it is in the CloneSet.
func TestWebhookPassesWarningsOn(t *testing.T) {
	g := newGuarded(t)
	g.must(g.try(ofContainer(`resources: {requests: {memory: 500m}}`)))
	g.expectWarnings(`spec.template.spec.containers[0].resources.requests[memory]: fractional byte value`)
	g.must(g.try(ofPod(`nodeSelector: {beta.kubernetes.io/os: linux}`)))
	g.expectWarnings(`spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated`)
}

// A policy of the cluster that refuses pods refuses the template, in its own words.
func TestWebhookRefusesWhatPoliciesRefuse(t *testing.T) {
	g := newGuarded(t)
	g.applyPolicy(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
    - {expression: "object.spec.containers.all(c, c.image != 'registry.example/forbidden')", message: that image is forbidden here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec: {policyName: NAMESPACE, validationActions: [Deny]}
`)
	forbidden := ofPod(`containers: [{name: main, image: registry.example/forbidden}]`)
	g.poll(func() bool { return g.try(forbidden) != nil })
	checkRefused(t, g.try(forbidden), "spec.template", "that image is forbidden here")
	g.must(g.try(`{}`))
}

func TestWebhookTriesChangedTemplatesOut(t *testing.T) {
	g := newGuarded(t)
	set := g.created(`{}`)
	checkRefused(t, g.patched(set, ofContainer(`ports: [{containerPort: 65536}]`)),
		containerPath+"ports[0].containerPort", portRange)
	checkRefused(t, g.patched(set, ofPod(`containers: [{name: main}]`)), containerPath+"image", "Required value")
	g.expectWarnings() // Nothing becomes of what is refused.
	checkRefused(t, g.patched(set, ofContainer(`ports: [{containerPort: 65536}]`), client.DryRunAll),
		containerPath+"ports[0].containerPort", portRange)
	g.must(g.patched(set, ofPod(`containers: [{name: main, image: registry.example/app:v2, ports: [{containerPort: 8080}]}]`)))
	g.expectWarnings()
	g.must(g.patched(set, ofContainer(`env: [{name: A, value: b}]`)))
	g.expectWarnings("cannot be changed in place, so that pods are replaced")
}

// Scaling, pausing and changes beside the spec are admitted while no pod can be made and whatever else is wrong.
func TestWebhookLeavesTheRestAlone(t *testing.T) {
	g := newGuarded(t)
	set := g.created(ofPod(`serviceAccountName: later`))
	for _, patch := range []string{
		`{spec: {replicas: 3}}`, ofRolling(`paused: true`), ofRolling(`partition: 1`),
		`{metadata: {annotations: {a: b}, finalizers: [example.com/a]}}`, `{metadata: {finalizers: null}}`,
	} {
		g.must(g.patched(set, patch))
	}
	g.stop()
	g.must(g.patched(set, `{metadata: {labels: {a: b}}}`)) // It is not even asked.
	g.expectWarnings()
	if err := g.patched(set, `{spec: {replicas: 4}}`); err == nil {
		t.Error("with failurePolicy Fail and no webhook, the spec was changed")
	}
}

func TestWebhookKeepsInPlaceOnly(t *testing.T) {
	g := newGuarded(t)
	set := g.created(ofRolling(`podUpdatePolicy: InPlaceOnly`))
	const message = "cannot be changed in place, and podUpdatePolicy is InPlaceOnly"
	withEnv := `containers: [{name: main, image: registry.example/app:v1, ports: [{containerPort: 8080}], env: [{name: A, value: a}]}]`
	for patch, field := range map[string]string{
		ofPod(withEnv): containerPath + "env",
		ofPod(`containers: [{name: other, image: registry.example/app:v1, ports: [{containerPort: 8080}]}]`):                     containerPath + "name",
		ofPod(`containers: [{name: main, image: registry.example/app:v1, ports: [{containerPort: 8080}]}, {name: a, image: a}]`): podField + "containers[1]",
		ofPod(`terminationGracePeriodSeconds: 5`):                          podField + "terminationGracePeriodSeconds",
		ofTemplate(`finalizers: [example.com/a]`):                          "spec.template.metadata.finalizers",
		`{spec: {template: {spec: {volumes: [{name: a, emptyDir: {}}]}}}}`: podField + "volumes",
	} {
		checkRefused(t, g.patched(set, patch), field, message)
	}
	// With another policy it is a matter of new pods.
	g.must(g.patched(set, `{spec: {updateStrategy: {rollingUpdate: {podUpdatePolicy: ReCreate}}, template: {spec: {`+withEnv+`}}}}`, client.DryRunAll))
	g.must(g.patched(set, ofPod(`containers: [{name: main, image: registry.example/app:v2, ports: [{containerPort: 8080}]}]`)))
	g.must(g.patched(set, ofTemplate(`labels: {team: storage}`)))
	g.expectWarnings()
}

// A template that slipped in while the webhook was down can be set back, although that is a change of the same field.
func TestWebhookLetsInPlaceOnlyBack(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	before := e.identities()
	e.change(setPaused(true), setEnv("fast"))
	e.change(setPaused(false), setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	set := e.untilReason(appsv1beta1.ReasonInPlaceImpossible, "spec.template.spec.containers[0].env")

	g := guard(t, harness.Connect(t), e.namespace, time.Hour)
	checkRefused(t, g.patched(set, ofPod(`hostname: web`)), podField+"hostname", "InPlaceOnly")
	e.change(setImage(imageV2), func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Env = nil })
	e.untilComplete(app)
	e.expectIdentities(before)
}

// The webhook's answers are those of an API server: kubectl shows each field in a line of its own.
func TestWebhookAnswersAsTheAPIServerDoes(t *testing.T) {
	g := newGuarded(t)
	err := g.try(ofContainer(`imagePullPolicy: Sometimes, ports: [{containerPort: 65536}]`))
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		t.Fatal(err)
	}
	got := status.Status()
	if got.Code != http.StatusUnprocessableEntity || got.Reason != metav1.StatusReasonInvalid || len(got.Details.Causes) != 2 ||
		got.Details.Kind != "CloneSet" || got.Details.Name != "web" {
		t.Errorf("got %+v", got)
	}
}

func (g *guarded) poll(done func() bool) {
	g.Helper()
	e := &env{T: g.T, ctx: g.Context()}
	e.poll(func() (bool, string) { return done(), "it does not happen" })
}

// applyPolicy creates policies, with the namespace's name as theirs, until the test ends.
func (g *guarded) applyPolicy(manifests string) {
	g.Helper()
	for _, object := range decodeAll(g.T, []byte(strings.ReplaceAll(manifests, "NAMESPACE", g.namespace))) {
		createUntilEnd(g.T, g.cluster, object)
	}
}

// createUntilEnd creates an object until the test ends.
func createUntilEnd(t *testing.T, cluster *harness.Cluster, object client.Object) {
	t.Helper()
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Client.Delete(context.Background(), object); err != nil {
			t.Error(err)
		}
	})
}
