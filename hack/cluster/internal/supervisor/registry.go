package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/components"
	"github.com/insitu-dev/insitu/hack/cluster/internal/registry"
	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// startRegistry serves images for as long as this process lives, and puts the sandbox image there before containerd
// can ask for it.
func startRegistry(ctx context.Context, spec *state.Spec) error {
	blobs := spec.Dir.Path("registry")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", spec.Ports.Registry))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: registry.NewHandler(blobs), ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "registry:", err)
		}
	}()
	image, err := registry.ExecutableImage(spec.Binaries["pause"])
	if err != nil {
		return err
	}
	_, err = registry.Pusher{Address: components.Loopback(spec.Ports.Registry)}.PushImage(ctx, components.PauseImage, image)
	return err
}
