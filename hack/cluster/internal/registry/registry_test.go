package registry

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestPushedImageCanBePulled(t *testing.T) {
	server := httptest.NewServer(NewHandler(t.TempDir()))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	image := newImage(t)
	for kind, save := range map[string]func(path string) error{
		"tarball": func(path string) error {
			return tarball.WriteToFile(path, name.MustParseReference("program:1"), image)
		},
		"layout": func(path string) error {
			index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image})
			_, err := layout.Write(path, index)
			return err
		},
	} {
		t.Run(kind, func(t *testing.T) {
			saved := filepath.Join(t.TempDir(), "image")
			if err := save(saved); err != nil {
				t.Fatal(err)
			}
			want, err := Pusher{Address: address}.Push(t.Context(), "127.0.0.1:5000/"+kind+":1", saved)
			if err != nil {
				t.Fatal(err)
			}
			if got := pull(t, address+"/"+kind+":1"); got != want {
				t.Errorf("pulled %v, want %v", got, want)
			}
		})
	}
}

func newImage(t *testing.T) v1.Image {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(executable, []byte("content"), 0o755); err != nil {
		t.Fatal(err)
	}
	image, err := ExecutableImage(executable)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func pull(t *testing.T, reference string) v1.Hash {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestPrivateImage(t *testing.T) {
	server := httptest.NewServer(NewHandler(t.TempDir()))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	want, err := Pusher{Address: address}.PushImage(t.Context(), "127.0.0.1:5000/private/program:1", newImage(t))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(address+"/private/program:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Get(ref); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("whoever likes is let in: %v", err)
	}
	got, err := remote.Get(ref, remote.WithAuth(&authn.Basic{Username: User, Password: Password}))
	if err != nil || got.Digest != want {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestLimit(t *testing.T) {
	const size = 300_000
	handler := limit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }))
	for path, least := range map[string]time.Duration{
		"/v2/limited1/app/blobs/sha256:0": 300 * time.Millisecond, "/v2/limited1/app/manifests/v1": 0, "/v2/app/blobs/sha256:0": 0,
	} {
		begin, answer := time.Now(), httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		took := time.Since(begin)
		if took < least || (least == 0 && took > 200*time.Millisecond) || answer.Body.Len() != size {
			t.Errorf("%s: %d bytes were sent in %s", path, answer.Body.Len(), took)
		}
	}
}

func TestDelay(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		want         time.Duration
	}{
		{"GET", "/v2/slow8s/app/blobs/sha256:0", 8 * time.Second},
		{"GET", "/v2/slow120s/a/b/blobs/sha256:0", 2 * time.Minute},
		{"HEAD", "/v2/slow8s/app/blobs/sha256:0", 0},
		{"GET", "/v2/slow8s/app/manifests/v1", 0},
		{"GET", "/v2/app/blobs/sha256:0", 0},
		{"GET", "/v2/slows/app/blobs/sha256:0", 0},
	} {
		if got := delay(httptest.NewRequest(tt.method, tt.path, nil)); got != tt.want {
			t.Errorf("delay(%s %s) = %v, want %v", tt.method, tt.path, got, tt.want)
		}
	}
}
