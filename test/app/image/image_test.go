package image_test

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/insitu-dev/insitu/test/app/image"
)

func build(t *testing.T, version string, padding int64) v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(binary, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(image.Spec{Binary: binary, Version: version, Padding: padding, Command: []string{"serve"}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digests(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	found := make([]string, 0, len(layers))
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, d.String())
	}
	return found
}

func TestVersionsDifferInTheirLastLayerOnly(t *testing.T) {
	one, two := digests(t, build(t, "v1", 1<<20)), digests(t, build(t, "v2", 1<<20))
	if len(one) != 3 || one[0] != two[0] || one[1] != two[1] || one[2] == two[2] {
		t.Errorf("layers of v1: %v, of v2: %v", one, two)
	}
}

func TestEqualInputGivesAnEqualDigest(t *testing.T) {
	one, err := build(t, "v1", 0).Digest()
	if err != nil {
		t.Fatal(err)
	}
	again, err := build(t, "v1", 0).Digest()
	if err != nil || one != again {
		t.Errorf("%s, then %s: %v", one, again, err)
	}
}

func TestPaddingCannotBeCompressed(t *testing.T) {
	layers, err := build(t, "v1", 4<<20).Layers()
	if err != nil {
		t.Fatal(err)
	}
	if size, err := layers[0].Size(); err != nil || size < 4<<20 {
		t.Errorf("a padding of %d bytes made a layer of %d: %v", 4<<20, size, err)
	}
}

func TestImageRunsItsCommand(t *testing.T) {
	config, err := build(t, "v1", 0).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if e := config.Config.Entrypoint; len(e) != 2 || e[0] != "/app" || e[1] != "serve" || config.OS != "linux" {
		t.Errorf("entrypoint %q on %q", e, config.OS)
	}
}
