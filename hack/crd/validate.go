package main

import (
	"context"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
)

// validate is the check that an API server makes: among others, that CEL rules compile and are cheap enough.
func validate(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) error {
	defaulted := crd.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(defaulted)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&defaulted.Spec)
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(
		defaulted, &internal, nil); err != nil {
		return err
	}
	internal.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
	return validation.ValidateCustomResourceDefinition(ctx, &internal).ToAggregate()
}
