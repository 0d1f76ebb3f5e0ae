package main

import (
	"context"
	"net/http"
	"net/http/httptest"
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
