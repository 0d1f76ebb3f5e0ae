package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/integration/harness"
)

// valuesOfEverything sets every value of the chart to something else than its default.
const valuesOfEverything = `
replicas: 1
image: {repository: registry.example/insitu, tag: v9, pullPolicy: Always,
  digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
imagePullSecrets: [{name: registry}]
nameOverride: upgrades
fullnameOverride: upgrades
logFormat: console
logLevel: debug
crds: {keep: false}
serviceAccount: {name: upgrader, annotations: {example.com/role: upgrader}}
webhooks: {failurePolicy: Fail}
deleteProtection: {enabled: false}
rbac: {aggregate: false}
runAsUser: 1000
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}
podDisruptionBudget: {enabled: false}
podLabels: {team: platform, app.kubernetes.io/name: other}
podAnnotations: {example.com/scrape: "true"}
priorityClassName: system-cluster-critical
nodeSelector: {role: infra}
tolerations: [{key: infra, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
  {matchExpressions: [{key: role, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
`

// TestChart applies what the chart renders, as a dry run.
func TestChart(t *testing.T) {
	cluster := harness.Connect(t)
	for name, values := range map[string]string{
		"as it is":             `{}`,
		"everything set":       valuesOfEverything,
		"user of the platform": `{runAsUser: null}`,
		"without the CRDs":     `{crds: {enabled: false}}`,
		"without webhooks":     `{webhooks: {enabled: false}}`,
	} {
		t.Run(name, func(t *testing.T) {
			namespace := cluster.Namespace(t)
			objects := render(t, namespace, values)
			for _, object := range objects {
				applyDry(t, cluster, object)
			}
			checkRestricted(t, cluster, objects)
		})
	}
}

func applyDry(t *testing.T, cluster *harness.Cluster, object *unstructured.Unstructured) {
	t.Helper()
	configuration := client.ApplyConfigurationFromUnstructured(object)
	err := cluster.Client.Apply(t.Context(), configuration,
		client.DryRunAll, client.ForceOwnership, client.FieldOwner("helm"))
	if err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// checkRestricted makes a pod of the Deployment's where the restricted Pod Security profile is enforced.
func checkRestricted(t *testing.T, cluster *harness.Cluster, objects []*unstructured.Unstructured) {
	t.Helper()
	namespace := cluster.Namespace(t)
	enforce := client.RawPatch("application/merge-patch+json",
		asJSON(t, `{metadata: {labels: {pod-security.kubernetes.io/enforce: restricted}}}`))
	target := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := cluster.Client.Patch(t.Context(), target, enforce); err != nil {
		t.Fatal(err)
	}
	pod := podOf(t, objects)
	pod.Namespace = namespace
	account := &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod.Spec.ServiceAccountName},
	}
	if err := cluster.Client.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Error(err)
	}
}

// podOf returns a pod of the only Deployment.
func podOf(t *testing.T, objects []*unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &deployment, true)
		if err != nil {
			t.Fatal(err)
		}
		template := deployment.Spec.Template
		template.Name = "manager"
		return &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	}
	t.Fatal("the chart has no Deployment")
	return nil
}

// TestChartRefusesUnknownValues as a typing error would otherwise be a setting that is silently not made.
func TestChartRefusesUnknownValues(t *testing.T) {
	for values, message := range map[string]string{
		`{replica: 1}`:                      "additional properties 'replica' not allowed",
		`{image: {name: a}}`:                "additional properties 'name' not allowed",
		`{logLevel: loud}`:                  "at '/logLevel'",
		`{replicas: "2"}`:                   "at '/replicas'",
		`{image: {digest: "sha256:0123"}}`:  "at '/image/digest'",
		`{webhooks: {enable: true}}`:        "additional properties 'enable' not allowed",
		`{webhooks: {failurePolicy: Pass}}`: "at '/webhooks/failurePolicy'",
		`{webhooks: {certManager: {issuerRef: {kind: ClusterIssuer}}}}`: "'name' required",
		`{deleteProtection: true}`:                                      "at '/deleteProtection'",
	} {
		if _, err := helmTemplate(t, "any", values); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: got the error %v, want %s", values, err, message)
		}
	}
}

// TestChartLeavesCertificatesToCertManager renders only: the kinds are not there.
func TestChartLeavesCertificatesToCertManager(t *testing.T) {
	texts := map[string]string{}
	for _, object := range render(t, "any", `{webhooks: {certManager: {enabled: true}}}`) {
		texts[object.GetKind()] += object.GetName() + fmt.Sprint(object.Object) + "\n"
	}
	for kind, part := range map[string]string{
		"ValidatingWebhookConfiguration": "cert-manager.io/inject-ca-from:any/insitu-webhook",
		"Deployment":                     "--webhook-cert-dir=/etc/insitu/webhook", "Certificate": "isCA:true", "Issuer": "selfSigned",
	} {
		if !strings.Contains(texts[kind], part) {
			t.Errorf("%s lacks %s: %s", kind, part, texts[kind])
		}
	}
	if !strings.Contains(texts["Deployment"], "secretName:insitu-webhook-tls") || strings.Contains(texts["Deployment"], "--webhook-secret") {
		t.Errorf("the Deployment makes certificates: %s", texts["Deployment"])
	}
	rights := texts["Role"] + texts["ClusterRole"]
	if texts["Secret"] != "" || strings.Contains(rights, "secrets") || strings.Contains(rights, "webhookconfigurations") {
		t.Errorf("there are rights on what only cert-manager writes: %s", rights)
	}
	for _, object := range render(t, "any", `{webhooks: {certManager: {enabled: true, issuerRef: {kind: ClusterIssuer, name: ours}}}}`) {
		if object.GetKind() == "Issuer" {
			t.Errorf("there is the Issuer %s beside the one that was named", object.GetName())
		}
	}
}

// TestChartAsksForNoOtherSecret: nothing lets the manager read a Secret that is not its own.
func TestChartAsksForNoOtherSecret(t *testing.T) {
	for _, object := range render(t, "any", `{}`) {
		if object.GetKind() == "ClusterRole" && strings.Contains(fmt.Sprint(object.Object), "secrets") {
			t.Errorf("the ClusterRole %s is about Secrets", object.GetName())
		}
		if object.GetKind() != "Role" {
			continue
		}
		role := &rbacv1.Role{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.Verbs, []string{"create"}) &&
				!slices.Equal(rule.ResourceNames, []string{"insitu-webhook"}) {
				t.Errorf("the Role %s has the rule %v", role.Name, rule)
			}
		}
	}
}

func render(t *testing.T, namespace, values string) []*unstructured.Unstructured {
	t.Helper()
	out, err := helmTemplate(t, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return decodeAll(t, out)
}

func decodeAll(t *testing.T, manifests []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), len(manifests))
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// TestChartAsksForAnImage since there is no default that can be pulled.
func TestChartAsksForAnImage(t *testing.T) {
	const message = "image.repository must be set"
	if _, err := helmTemplateOf(t, "", "any", "{}"); err == nil || !strings.Contains(err.Error(), message) {
		t.Errorf("got the error %v, want %s", err, message)
	}
}

// helmTemplate returns what Helm prints, with its error messages as the error.
func helmTemplate(t *testing.T, namespace, values string) ([]byte, error) {
	t.Helper()
	return helmTemplateOf(t, "registry.example/insitu", namespace, values)
}

func helmTemplateOf(t *testing.T, repository, namespace, values string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), helmProgram(t), "template", "insitu", harness.File(t, "charts/insitu"),
		"--namespace", namespace, "--kube-version", "v1.36.0", "--set", "image.repository="+repository, "--values", "-")
	command.Stdin = bytes.NewReader([]byte(values))
	out, err := command.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		err = errors.New(string(failed.Stderr))
	}
	return out, err
}

func helmProgram(t *testing.T) string {
	t.Helper()
	helm := harness.File(t, ".bin/tools/helm")
	if _, err := os.Stat(helm); err != nil {
		t.Skip(`needs Helm: run "make test-integration"`)
	}
	return helm
}
