package integration_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/integration/harness"
)

// release is a release of the chart, with no manager.
type release struct {
	*testing.T
	cluster   *harness.Cluster
	namespace string
}

// helm runs Helm on the release, named as its namespace is, since part of it is not in any.
func (r *release) helm(arguments ...string) {
	r.Helper()
	arguments = append(arguments, "--namespace", r.namespace, "--kubeconfig", os.Getenv(harness.KubeconfigEnv))
	command := exec.CommandContext(r.Context(), helmProgram(r.T), arguments...)
	command.Stdin = strings.NewReader("{replicas: 0, crds: {enabled: false}, deleteProtection: {enabled: false}, image: {repository: registry.example/insitu}}")
	if out, err := command.CombinedOutput(); err != nil {
		r.Fatalf("%s: %v\n%s", arguments[0], err, out)
	}
}

// The certificates and the bundle, of which the chart says nothing, are there after an upgrade and gone with the release.
func TestUpgradeKeepsCertificates(t *testing.T) {
	r := &release{T: t, cluster: harness.Connect(t)}
	r.namespace = r.cluster.Namespace(t)
	chart := harness.File(t, "charts/insitu")
	r.helm("install", r.namespace, chart, "--values", "-")

	name := r.namespace + "-insitu-webhook"
	secret, configuration := &corev1.Secret{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	secretKey, key := client.ObjectKey{Namespace: r.namespace, Name: name}, client.ObjectKey{Name: name}
	r.get(secretKey, secret)
	r.get(key, configuration)
	t.Cleanup(func() { _ = r.cluster.Client.Delete(context.Background(), configuration) }) // It is for the whole cluster.
	secret.Data = map[string][]byte{"tls.crt": []byte("certificate")}
	bundle := []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
	before := configuration.DeepCopy()
	configuration.Webhooks[0].ClientConfig.CABundle = bundle
	for _, err := range []error{
		r.cluster.Client.Update(t.Context(), secret, client.FieldOwner("insitu")),
		r.cluster.Client.Patch(t.Context(), configuration, client.StrategicMergeFrom(before), client.FieldOwner("insitu")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	r.helm("upgrade", r.namespace, chart, "--values", "-", "--set", "webhooks.failurePolicy=Fail,podLabels.a=b")
	r.get(secretKey, secret)
	r.get(key, configuration)
	if *configuration.Webhooks[0].FailurePolicy != admissionregistrationv1.Fail {
		t.Error("the upgrade changed nothing")
	}
	if len(secret.Data) != 1 || !bytes.Equal(configuration.Webhooks[0].ClientConfig.CABundle, bundle) {
		t.Errorf("the upgrade left the Secret with %d keys, and the bundle %q", len(secret.Data), configuration.Webhooks[0].ClientConfig.CABundle)
	}

	r.helm("uninstall", r.namespace, "--wait")
	for _, object := range []client.Object{secret, configuration} {
		if err := r.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
			t.Errorf("after the end of the release, %s got the error %v", object.GetName(), err)
		}
	}
}

func (r *release) get(key client.ObjectKey, object client.Object) {
	r.Helper()
	if err := r.cluster.Client.Get(r.Context(), key, object); err != nil {
		r.Fatal(err)
	}
}
