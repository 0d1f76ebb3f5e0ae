package main

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensionsv1.JSONSchemaProps

// walk calls visit for s and every schema within it, the outer before the inner.
func walk(s *schema, visit func(*schema)) {
	visit(s)
	for name, property := range s.Properties {
		walk(&property, visit)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		walk(s.Items.Schema, visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		walk(s.AdditionalProperties.Schema, visit)
	}
}

// change applies do to the schema at path within s, where "[]" stands for the items of a list.
func change(s *schema, do func(*schema) error, path ...string) error {
	if len(path) == 0 {
		return do(s)
	}
	if path[0] == "[]" {
		return change(s.Items.Schema, do, path[1:]...)
	}
	property, found := s.Properties[path[0]]
	if !found {
		return fmt.Errorf("the schema has no %s", path[0])
	}
	err := change(&property, do, path[1:]...)
	s.Properties[path[0]] = property
	return err
}
