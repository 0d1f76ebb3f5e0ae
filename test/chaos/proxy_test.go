package chaos

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// failBefore is the share of calls that fail without an effect, failAfter that of calls that take effect, but whose
	// answer is lost.
	failBefore, failAfter = 0.025, 0.025
	// Watches break off after a time between these.
	shortestWatch, longestWatch = 2 * time.Second, 20 * time.Second
)

// proxy stands between the manager and the API server, and lets calls fail.
type proxy struct {
	next *httputil.ReverseProxy
	mu   sync.Mutex
	rng  *rand.Rand
	did  tally
}

// tally counts what a proxy has done.
type tally struct {
	calls, failedBefore, failedAfter, watches int
}

// fate is what becomes of a call.
type fate int

const (
	fine fate = iota
	refused
	unavailable
	overloaded
	dropped
	lost
)

// startProxy starts a proxy and returns it with the path of a kubeconfig by which it is used.
func startProxy(t *testing.T, config *rest.Config, rng *rand.Rand) (*proxy, string) {
	t.Helper()
	target, err := url.Parse(config.Host)
	must(t, err)
	transport, err := rest.TransportFor(config)
	must(t, err)
	p := &proxy{rng: rng, next: &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy"}},
		CurrentContext: "proxy",
	}, path))
	return p, path
}

// ServeHTTP passes a call on, or not.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") != "" {
		ctx, cancel := context.WithTimeout(r.Context(), p.watchTime())
		defer cancel()
		p.next.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	switch p.decide() {
	case refused:
		http.Error(w, "chaos", http.StatusInternalServerError)
	case unavailable:
		http.Error(w, "chaos", http.StatusServiceUnavailable)
	case overloaded:
		http.Error(w, "chaos", http.StatusTooManyRequests)
	case dropped:
		panic(http.ErrAbortHandler) // The connection breaks off.
	case lost:
		p.next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		p.next.ServeHTTP(w, r)
	}
}

func (p *proxy) decide() fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did.calls++
	switch dice := p.rng.Float64(); {
	case dice < failBefore:
		p.did.failedBefore++
		return refused + fate(p.rng.IntN(int(lost-refused)))
	case dice < failBefore+failAfter:
		p.did.failedAfter++
		return lost
	}
	return fine
}

func (p *proxy) watchTime() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did.watches++
	return shortestWatch + time.Duration(p.rng.Int64N(int64(longestWatch-shortestWatch)))
}

func (p *proxy) total() tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.did
}
