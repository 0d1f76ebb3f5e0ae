package inplace_test

import (
	"testing"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

const one, two = "sha256:1111", "sha256:2222"

func TestPinned(t *testing.T) {
	for image, want := range map[string]string{
		"web":                        "web:latest@" + one,
		"web:v1":                     "web:v1@" + one,
		"registry.example:5000/web":  "registry.example:5000/web:latest@" + one,
		"registry.example:5000/w:v1": "registry.example:5000/w:v1@" + one,
		"web@" + two:                 "web@" + two,
		"web:v1@" + two:              "web:v1@" + two,
	} {
		if got := inplace.Pinned(image, one); got != want {
			t.Errorf("Pinned(%s) is %s, want %s", image, got, want)
		}
	}
}

// The name of an image is another one every time, and means the same.
func TestAnother(t *testing.T) {
	for name, tt := range map[string]struct{ image, digest, now, want string }{
		"a tag":                            {"web:v1", one, "web:v1", "web:v1@" + one},
		"a tag and its digest":             {"web:v1", one, "web:v1@" + one, "web@" + one},
		"a digest":                         {"web:v1", one, "web@" + one, "web:v1@" + one},
		"a tag that has moved":             {"web:v1", two, "web:v1@" + one, "web:v1@" + two},
		"a digest of a tag that has moved": {"web:v1", two, "web@" + one, "web:v1@" + two},
		"no tag":                           {"r:5000/web", one, "r:5000/web", "r:5000/web:latest@" + one},
		"a template with a digest":         {"web@" + one, one, "web@" + one, "web:restarted@" + one},
		"a template with a digest, again":  {"web@" + one, one, "web:restarted@" + one, "web@" + one},
		"a template with both":             {"web:v1@" + one, one, "web:v1@" + one, "web@" + one},
		"what a webhook has rewritten":     {"web:v1", one, "mirror/web:v1@" + one, "web@" + one},
		"and has rewritten again":          {"web:v1", one, "mirror/web@" + one, "web:v1@" + one},
	} {
		t.Run(name, func(t *testing.T) {
			got := inplace.Another(tt.image, tt.digest, tt.now)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got == tt.now || inplace.RegistryDigest(got) != tt.digest {
				t.Errorf("%s restarts nothing, or something else", got)
			}
		})
	}
}

func TestStandsFor(t *testing.T) {
	for name, tt := range map[string]struct {
		image, template string
		want            bool
	}{
		"itself":                         {"web:v1", "web:v1", true},
		"with a digest":                  {"web:v1@" + one, "web:v1", true},
		"by the digest alone":            {"web@" + one, "web:v1", true},
		"of no tag, with the usual one":  {"web:latest@" + one, "web", true},
		"another tag":                    {"web:v2", "web:v1", false},
		"another tag with a digest":      {"web:v2@" + one, "web:v1", false},
		"another repository":             {"mirror/web:v1@" + one, "web:v1", false},
		"no digest any more":             {"web", "web:v1", false},
		"another digest":                 {"web@" + two, "web@" + one, false},
		"the digest under a made-up tag": {"web:restarted@" + one, "web@" + one, true},
		"the digest under another tag":   {"web:v1@" + one, "web@" + one, false},
	} {
		if got := inplace.StandsFor(tt.image, tt.template); got != tt.want {
			t.Errorf("%s: %s stands for %s: %t", name, tt.image, tt.template, got)
		}
	}
}

// Runtimes tell imageIDs in several ways. Only what follows an @ is known to a registry.
func TestRegistryDigest(t *testing.T) {
	for imageID, want := range map[string]string{
		"docker.io/library/web@" + one:                   one,
		"docker-pullable://docker.io/library/web@" + one: one,
		one:               "",
		"docker://" + one: "",
		"":                "",
		"registry.example:5000/other/name/of/web@" + two: two,
	} {
		if got := inplace.RegistryDigest(imageID); got != want {
			t.Errorf("the registry's digest of %q is %q, want %q", imageID, got, want)
		}
	}
}
