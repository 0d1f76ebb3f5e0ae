package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Pusher writes images to the registry of a cluster, whatever host their references name.
type Pusher struct {
	// Address is the host and port the registry is reached at from here.
	Address string
}

// Push stores the image that path holds under the reference and returns its digest. The path is a tarball as docker
// saves it, with one image, or the directory of an OCI layout with one.
func (p Pusher) Push(ctx context.Context, reference, path string) (v1.Hash, error) {
	image, err := load(path)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return p.PushImage(ctx, reference, image)
}

// PushImage stores the image under the reference and returns its digest.
func (p Pusher) PushImage(ctx context.Context, reference string, image v1.Image) (v1.Hash, error) {
	ref, err := name.ParseReference(reference, name.Insecure, name.StrictValidation)
	if err != nil {
		return v1.Hash{}, err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", p.Address)
	}}
	defer transport.CloseIdleConnections()
	if err := remote.Write(ref, image, remote.WithContext(ctx), remote.WithTransport(transport)); err != nil {
		return v1.Hash{}, fmt.Errorf("pushing %s: %w", reference, err)
	}
	return image.Digest()
}

func load(path string) (v1.Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return tarball.ImageFromPath(path, nil)
	}
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, errors.New("want an OCI layout with exactly one image")
	}
	return index.Image(manifest.Manifests[0].Digest)
}

// ExecutableImage returns an image that holds one static executable and runs it.
func ExecutableImage(executable string) (v1.Image, error) {
	layer, err := executableLayer(executable)
	if err != nil {
		return nil, err
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		RootFS:       v1.RootFS{Type: "layers"},
		OS:           "linux",
		Architecture: runtime.GOARCH,
		Config:       v1.Config{Entrypoint: []string{entrypoint}, User: "65535:65535"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}
