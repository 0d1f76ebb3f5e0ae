package integration_test

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// smallest is the smallest CloneSet that is valid.
const smallest = `
apiVersion: apps.insitu.dev/v1beta1
kind: CloneSet
metadata:
  name: web
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: main
          image: registry.example/app:v1
          ports:
            - containerPort: 8080
`

// manifest is the smallest CloneSet with a merge patch, written in YAML, applied.
func manifest(t *testing.T, namespace, patch string) *unstructured.Unstructured {
	t.Helper()
	merged, err := jsonpatch.MergePatch(asJSON(t, smallest), asJSON(t, patch))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(merged, &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace(namespace)
	return object
}

func asJSON(t *testing.T, manifest string) []byte {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
