package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// ask sends a request to the balancer and returns the status and the body.
func ask(t *testing.T, b *balancer, method, path string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	b.handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

// startTarget starts a server for a balancer to send requests to.
func startTarget(t *testing.T, handle http.HandlerFunc) (b *balancer, address string) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	address, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return &balancer{port: number, transport: &http.Transport{DisableKeepAlives: true}}, address
}

func TestBalancerSendsRequestsToItsTargetsOnly(t *testing.T) {
	b, address := startTarget(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("v1")) })
	if code, _ := ask(t, b, http.MethodGet, "/"); code != http.StatusServiceUnavailable {
		t.Errorf("got status %d without a target", code)
	}
	for range 2 { // The second time changes nothing.
		ask(t, b, http.MethodPut, "/targets/"+address)
	}
	if code, body := ask(t, b, http.MethodGet, "/"); code != http.StatusOK || body != "v1" {
		t.Errorf("got %d %q", code, body)
	}
	if _, body := ask(t, b, http.MethodGet, "/targets"); body != address {
		t.Errorf("got targets %q, want %s", body, address)
	}
	for range 2 {
		ask(t, b, http.MethodDelete, "/targets/"+address)
	}
	if code, _ := ask(t, b, http.MethodGet, "/"); code != http.StatusServiceUnavailable {
		t.Errorf("got status %d after the target was taken away", code)
	}
}

func TestBalancerTellsOfATargetThatIsGone(t *testing.T) {
	b, address := startTarget(t, nil)
	b.port = 1
	b.add(address)
	if code, _ := ask(t, b, http.MethodGet, "/"); code != http.StatusBadGateway {
		t.Errorf("got status %d", code)
	}
}

// A target is let go of when its last request is answered, not before.
func TestBalancerWaitsForRequestsThatWereSent(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	b, address := startTarget(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-answer
	})
	b.add(address)
	answered, removed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answered)
		b.forward(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	}()
	<-arrived
	go func() {
		defer close(removed)
		b.remove(address)
	}()
	for len(b.addresses()) > 0 {
		runtime.Gosched()
	}
	select {
	case <-removed:
		t.Error("the target was let go of before its request was answered")
	default:
	}
	close(answer)
	<-answered
	<-removed
}
