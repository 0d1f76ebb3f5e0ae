// Command crd reads the CustomResourceDefinition of the CloneSet that controller-gen makes from the Go types, and
// prints the one that is shipped: small enough for a client-side apply, with limits that keep its CEL rules within the
// API server's cost budget, and so that every object it admits can be decoded into the Go types.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const header = "# Generated from apis/ by \"make generate\". Do not edit.\n"

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
		return err
	}
	if err := prepare(&crd); err != nil {
		return err
	}
	if err := validate(ctx, &crd); err != nil {
		return err
	}
	manifest, err := encode(&crd)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s", header, manifest)
	return err
}

// encode leaves out the status, which a manifest must not carry.
func encode(crd *apiextensionsv1.CustomResourceDefinition) ([]byte, error) {
	raw, err := yaml.Marshal(crd)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := yaml.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	delete(object, "status")
	return yaml.Marshal(object)
}
