package main

import (
	"errors"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// prepare changes what controller-gen made; see the package comment for why.
func prepare(crd *apiextensionsv1.CustomResourceDefinition) error {
	if len(crd.Spec.Versions) == 0 {
		return errors.New("the CustomResourceDefinition has no version")
	}
	for i := range crd.Spec.Versions {
		root := crd.Spec.Versions[i].Schema.OpenAPIV3Schema
		if err := errors.Join(
			change(root, declareName, "metadata"),
			change(root, prepareTemplate, "spec", "template"),
			change(root, withoutDescriptions, "spec", "volumeClaimTemplates"),
			change(root, requireClaims, "spec", "volumeClaimTemplates"),
			limitForCEL(root),
		); err != nil {
			return err
		}
		walk(root, makeDecodable)
	}
	return nil
}

// declareName lets the rule about the name say what it is about: a field path has to be in the schema.
func declareName(metadata *schema) error {
	metadata.Properties = map[string]schema{"name": {Type: "string"}}
	return nil
}

// prepareTemplate leaves in the pod template's schema what the API server needs to check it. Descriptions would make
// the manifest too large to apply. A default would be written into stored templates, and one that a later release of
// the Kubernetes libraries adds would look like a change of the template by the user.
func prepareTemplate(template *schema) error {
	return errors.Join(withoutDescriptions(template), change(template, allowNullCreationTimestamp, "metadata"))
}

// withoutDescriptions removes the defaults of everything within s, and all descriptions but its own.
func withoutDescriptions(s *schema) error {
	description := s.Description
	walk(s, func(s *schema) { s.Description = "" })
	s.Description = description
	removeDefaults(s, nil)
	return nil
}

// removeDefaults removes all defaults within s but those of its properties named in keys: the keys of the list that s
// is an item of, which the API server wants to be required or to have a default.
func removeDefaults(s *schema, keys []string) {
	for name, property := range s.Properties {
		if !slices.Contains(keys, name) {
			property.Default = nil
		}
		removeDefaults(&property, nil)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		removeDefaults(s.Items.Schema, s.XListMapKeys)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		removeDefaults(s.AdditionalProperties.Schema, nil)
	}
}

// allowNullCreationTimestamp admits what older API servers and clients print in every pod template, so that a template
// can be copied from a Deployment.
func allowNullCreationTimestamp(metadata *schema) error {
	metadata.Properties["creationTimestamp"] = schema{
		Type: "string", Nullable: true, Enum: []apiextensionsv1.JSON{{Raw: []byte("null")}},
	}
	return nil
}
