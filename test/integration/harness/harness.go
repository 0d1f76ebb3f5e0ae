// Package harness gives tests a real API server: a client of it, the CustomResourceDefinition of the CloneSet as the
// chart ships it, and a namespace for each test.
package harness

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// KubeconfigEnv names the environment variable with the path of the kubeconfig of a cluster made for tests. Its user
// must be an administrator.
const KubeconfigEnv = "INSITU_TEST_KUBECONFIG"

const crdFolder = "charts/insitu/files/crds"

// Cluster is a real API server that has the CustomResourceDefinition of the CloneSet.
type Cluster struct {
	// Config is an administrator's, without client-side throttling. It is shared: copy it before changing it.
	Config *rest.Config
	// Client reads and writes without a cache, and refuses unknown fields as kubectl does.
	Client client.WithWatch
	// Scheme knows the kinds of Kubernetes and of insitu.
	Scheme *runtime.Scheme
}

// Connect returns the cluster that KubeconfigEnv names. Without one it skips the test and says how to run it.
func Connect(tb testing.TB) *Cluster {
	tb.Helper()
	kubeconfig := os.Getenv(KubeconfigEnv)
	if kubeconfig == "" {
		tb.Skipf(`needs an API server: run "make test-integration", or set %s`, KubeconfigEnv)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(tb, err)
	config.QPS = -1
	_, err = envtest.InstallCRDs(rest.CopyConfig(config), envtest.CRDInstallOptions{
		Paths: []string{File(tb, crdFolder)}, ErrorIfPathMissing: true,
	})
	must(tb, err)
	scheme := newScheme(tb)
	c, err := client.NewWithWatch(config, client.Options{
		Scheme: scheme, FieldValidation: metav1.FieldValidationStrict,
	})
	must(tb, err)
	return &Cluster{Config: config, Client: c, Scheme: scheme}
}

func newScheme(tb testing.TB) *runtime.Scheme {
	tb.Helper()
	scheme := runtime.NewScheme()
	must(tb, clientgoscheme.AddToScheme(scheme))
	must(tb, appsv1beta1.AddToScheme(scheme))
	return scheme
}

// Namespace makes a namespace in which pods can be created at once, and returns its name. It is deleted with all that
// is in it after the test, in the background.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	must(tb, c.Client.Create(tb.Context(), namespace))
	tb.Cleanup(func() {
		if err := c.Client.Delete(context.Background(), namespace); client.IgnoreNotFound(err) != nil {
			tb.Errorf("deleting the namespace %s: %v", namespace.Name, err)
		}
	})
	// Pods are refused until their service account is there; the controller manager may take a while to make it.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "default"}}
	if err := c.Client.Create(tb.Context(), account); !apierrors.IsAlreadyExists(err) {
		must(tb, err)
	}
	return namespace.Name
}

// File returns the path of a file or folder of the repository, given by its path from the repository's root.
func File(tb testing.TB, path string) string {
	tb.Helper()
	folder, err := os.Getwd()
	must(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return filepath.Join(folder, path)
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			tb.Fatal("the test does not run within the repository")
		}
		folder = parent
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
