// Package image builds container images from nothing but a static binary, without a container engine.
//
// Equal input gives an equal digest, and images of one binary share every layer but their last one.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Spec describes an image.
type Spec struct {
	// Binary is the path of a static binary. It is /app in the image.
	Binary string
	// Padding is the size of the first layer in bytes, of data that cannot be compressed. It stands for what makes real
	// images large. 0 leaves the layer out.
	Padding int64
	// Version is the content of /version, in the last layer.
	Version string
	// Command is what a container without a command of its own runs: /app with these arguments before the container's.
	Command []string
}

// BuildBinary builds the package of the module that the current directory is in, as a static binary at path.
func BuildBinary(pkg, path string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Build returns the image. The binary is read when it is needed, and has to stay until then.
func Build(s Spec) (v1.Image, error) {
	binary, err := os.ReadFile(s.Binary)
	if err != nil {
		return nil, err
	}
	contents := []opener{
		file("app", int64(len(binary)), 0o755, func() io.Reader { return bytes.NewReader(binary) }),
		file("version", int64(len(s.Version)), 0o644, func() io.Reader { return bytes.NewReader([]byte(s.Version)) }),
	}
	if s.Padding > 0 {
		padding := file("padding", s.Padding, 0o644, func() io.Reader { return io.LimitReader(noise(), s.Padding) })
		contents = append([]opener{padding}, contents...)
	}
	layers, err := toLayers(contents)
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	return configure(img, append([]string{"/app"}, s.Command...))
}

func configure(img v1.Image, entrypoint []string) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = entrypoint
	config.Config.User = "65532:65532"
	return mutate.ConfigFile(img, config)
}

// opener returns the layer's uncompressed tar, each time from its start.
type opener = tarball.Opener

func toLayers(contents []opener) ([]v1.Layer, error) {
	layers := make([]v1.Layer, 0, len(contents))
	for _, open := range contents {
		// Nothing is gained by compressing noise, and time is lost by it.
		l, err := tarball.LayerFromOpener(open, tarball.WithCompressionLevel(gzip.NoCompression))
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// file returns an opener of a tar with one file, the same bytes every time: no time and no owner but root.
func file(name string, size, mode int64, content func() io.Reader) opener {
	return func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeTar(w, name, size, mode, content())) }()
		return r, nil
	}
}

func writeTar(w io.Writer, name string, size, mode int64, content io.Reader) error {
	t := tar.NewWriter(w)
	if err := t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: mode, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.Copy(t, content); err != nil {
		return err
	}
	return t.Close()
}

// noise returns the same endless stream of bytes without a pattern every time.
func noise() io.Reader {
	return rand.NewChaCha8([32]byte{})
}
