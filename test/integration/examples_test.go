package integration_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// Every example is taken as it is, with no unknown field, and its CloneSets become complete.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(harness.File(t, "examples/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			e := newEnv(t)
			if filepath.Base(file) == "hooks.yaml" {
				e.startRegistrar("hooks")
			}
			for _, name := range e.apply(file) {
				e.untilComplete(name)
			}
			e.endHooks("hooks")
		})
	}
}

// apply creates the objects of a file and returns the names of the CloneSets, of which there must be one at least.
func (e *env) apply(file string) []string {
	e.Helper()
	content, err := os.ReadFile(file)
	e.must(err)
	var sets []string
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			break
		}
		e.must(err)
		object.SetNamespace(e.namespace)
		if object.GetKind() == appsv1beta1.CloneSetKind.Kind {
			sets = append(sets, object.GetName())
		}
		e.must(e.client.Create(e.ctx, object))
	}
	if len(sets) == 0 {
		e.Fatal("there is no CloneSet in it")
	}
	return sets
}

// startRegistrar runs the example that goes with that of the hooks, with a load balancer that does nothing.
func (e *env) startRegistrar(set string) {
	e.Helper()
	balancer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	stop, err := e.cluster.StartRegistrar(e.ctx, e.TempDir(), e.namespace, framework.AppLabel+"="+set, balancer.URL)
	e.must(err)
	e.Cleanup(func() {
		e.Logf("the registrar:\n%s", stop())
		balancer.Close()
	})
}

// endHooks deletes the pods of a CloneSet while somebody handles its hooks: nobody does after the test.
func (e *env) endHooks(set string) {
	e.Helper()
	pods := e.view.Pods(set)
	if len(pods) > 0 {
		e.must(e.client.Delete(e.ctx, e.view.CloneSet(set)))
	}
	for _, pod := range pods {
		e.untilGone(pod)
	}
}

// The API server takes what the example of a registrar is installed with.
func TestRegistrarIsInstallable(t *testing.T) {
	e := newEnv(t)
	e.must(e.cluster.Kubectl(e.ctx, "apply", "--namespace="+e.namespace, "--dry-run=server", "--kustomize="+framework.RegistrarFolder))
}
