package framework

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/insitu-dev/insitu/test/app/image"
)

// Registry is the address of the registry for those inside a cluster.
const Registry = "127.0.0.1:5000"

const (
	// RegistryUser is who may read the repositories below private/.
	RegistryUser = "reader"
	// RegistryPassword is that user's.
	RegistryPassword = "readable"
)

// Image is an image of the test application under a reference.
type Image struct {
	// Ref is the reference without the registry, as in "app:v1".
	Ref string
	// Version is what the application answers.
	Version string
	// Command is what the image runs. None leaves it to the container's arguments.
	Command []string
	// Padding is the size of the layer that the versions of an image share, in bytes.
	Padding int64
}

// Reference returns the full reference for a pod.
func Reference(ref string) string { return Registry + "/" + ref }

// PushImages builds the images and puts them into the cluster's registry.
func (c *Cluster) PushImages(ctx context.Context, images ...Image) error {
	dir, err := os.MkdirTemp("", "insitu-images-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "app")
	if err := image.BuildBinary("github.com/insitu-dev/insitu/test/app", binary); err != nil {
		return err
	}
	for _, i := range images {
		if err := c.pushImage(ctx, i, binary, filepath.Join(dir, "image.tar")); err != nil {
			return fmt.Errorf("image %s: %w", i.Ref, err)
		}
	}
	return nil
}

func (c *Cluster) pushImage(ctx context.Context, i Image, binary, path string) error {
	img, err := image.Build(image.Spec{Binary: binary, Padding: i.Padding, Version: i.Version, Command: i.Command})
	if err != nil {
		return err
	}
	tag, err := name.NewTag(Reference(i.Ref))
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		return err
	}
	return c.Push(ctx, Reference(i.Ref), path)
}
