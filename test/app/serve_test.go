package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func status(t *testing.T, h http.Handler, path string) int {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return rec.Code
}

func TestServerIsReadyAfterItsDelayOnly(t *testing.T) {
	h := webHandler("v1", time.Now().Add(time.Hour))
	if got := status(t, h, "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("before: status %d", got)
	}
	if got := status(t, h, "/"); got != http.StatusOK {
		t.Errorf("requests are answered from the start, but got status %d", got)
	}
	if got := status(t, webHandler("v1", time.Now()), "/readyz"); got != http.StatusOK {
		t.Errorf("after: status %d", got)
	}
}

func TestUnknownCommandIsAnError(t *testing.T) {
	if err := run(t.Context(), []string{"nonsense"}); err == nil {
		t.Error("no error")
	}
}

func TestServerEndsInOrderWhenTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := listenUntilDone(ctx, "127.0.0.1:0", http.NotFoundHandler()); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestStartsAreRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "starts")
	for _, version := range []string{"v1\n", "v2"} {
		if err := record(path, []byte(version)); err != nil {
			t.Fatal(err)
		}
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "v1\nv2\n" {
		t.Errorf("got %q, %v", content, err)
	}
}
