package main

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const shipped = "../../charts/insitu/files/crds/apps.insitu.dev_clonesets.yaml"

func shippedSchema(t *testing.T) *schema {
	t.Helper()
	raw, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// TestAdmittedValuesDecode tries odd values for every field: one that the schema admits must fit the Go type.
func TestAdmittedValuesDecode(t *testing.T) {
	var odd []any
	if err := json.Unmarshal([]byte(`[null, true, "", "abc", "5%", "1e1.5", "1e999", "1E", ".5", "2026-01-01",
		-1, 0.5, 1e10, -1e10, 2147483648, 9223372036854775807, 9223372036854775808, 1e19, 1e30, 1e300,
		[], [1], [null], {}, {"a": 1}, {"a": null}, {"a": "b"}]`), &odd); err != nil {
		t.Fatal(err)
	}
	fields, admitted := 0, 0
	visitPaths(shippedSchema(t), nil, func(s *schema, path []string) {
		fields++
		for _, value := range odd {
			if !admits(t, s, value) {
				continue
			}
			admitted++
			checkDecodes(t, path, value)
		}
	})
	t.Logf("%d fields, %d odd values admitted", fields, admitted)
	if fields < 1000 || admitted < fields {
		t.Error("the test has lost its fields or its values")
	}
}

// visitPaths is walk with the paths: "[]" stands for the items of a list, "{}" for the values of a map.
func visitPaths(s *schema, path []string, visit func(*schema, []string)) {
	visit(s, path)
	for name, property := range s.Properties {
		visitPaths(&property, append(slices.Clone(path), name), visit)
	}
	if s.Items != nil {
		visitPaths(s.Items.Schema, append(slices.Clone(path), "[]"), visit)
	}
	if s.AdditionalProperties != nil {
		visitPaths(s.AdditionalProperties.Schema, append(slices.Clone(path), "{}"), visit)
	}
}

func admits(t *testing.T, s *schema, value any) bool {
	t.Helper()
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(s, &internal, nil); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return len(validation.ValidateCustomResource(nil, value, validator)) == 0
}

func checkDecodes(t *testing.T, path []string, value any) {
	t.Helper()
	object := value
	for _, step := range slices.Backward(path) {
		switch step {
		case "[]":
			object = []any{object}
		case "{}":
			object = map[string]any{"key": object}
		default:
			object = map[string]any{step: object}
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &appsv1beta1.CloneSet{}); err != nil {
		t.Errorf("admitted, but %v: %s", err, raw)
	}
}

// TestTemplateHasNoDefaults but of keys of lists: see prepareTemplate.
func TestTemplateHasNoDefaults(t *testing.T) {
	root := shippedSchema(t)
	template := root.Properties["spec"].Properties["template"]
	visitPaths(&template, nil, func(s *schema, path []string) {
		key := len(path) > 1 && path[len(path)-2] == "[]"
		if s.Default != nil && !key {
			t.Errorf("%v has the default %s", path, s.Default.Raw)
		}
	})
}

// TestFitsClientSideApply leaves room for labels and annotations of the user's.
func TestFitsClientSideApply(t *testing.T) {
	raw, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := yaml.YAMLToJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	const limit = 128 << 10
	if len(applied) > limit {
		t.Errorf("%d bytes, the limit is %d", len(applied), limit)
	}
}
