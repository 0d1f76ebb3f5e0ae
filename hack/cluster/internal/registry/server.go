// Package registry is the image registry inside a cluster, and the way to push images into it from outside.
package registry

import (
	"io"
	"log"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Port is the port of the registry: images are named 127.0.0.1:5000/..., as its own node sees it, from everywhere.
const Port = 5000

// NewHandler returns a registry that keeps blobs in the directory, and manifests in memory. Reading a blob from a
// repository below slow<N>s/ takes N seconds longer, and one below limited<N>/ is sent at N MB/s, so that tests can have
// pulls that last. Whoever reads from one below
// private/ has to be User with Password; anybody may push there.
func NewHandler(blobs string) http.Handler {
	return protectPrivate(delaySlow(limit(registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
		registry.Logger(log.New(io.Discard, "", 0)),
	))))
}

const (
	// User is who may read the repositories below private/.
	User = "reader"
	// Password is that user's.
	Password = "readable"
)

func protectPrivate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		private := r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v2/private/")
		if private && (user != User || password != Password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, "private", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var slowBlob = regexp.MustCompile(`^/v2/slow([0-9]{1,3})s/.+/blobs/`)

func delaySlow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(delay(r)):
			next.ServeHTTP(w, r)
		}
	})
}

func delay(r *http.Request) time.Duration {
	match := slowBlob.FindStringSubmatch(r.URL.Path)
	if match == nil || r.Method != http.MethodGet {
		return 0
	}
	seconds, err := strconv.Atoi(match[1])
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
