package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// balancer stands for a load balancer outside of Kubernetes: it sends requests, in turn, to the targets that it was told
// of, and knows nothing of pods. As a real one it is slow to let go of a target.
type balancer struct {
	port   int
	linger time.Duration
	// transport opens a connection for each request, so that none is left to a target that restarts.
	transport http.RoundTripper

	mu      sync.Mutex
	targets []*target
	next    int
}

// target is where requests are sent.
type target struct {
	address string
	pending sync.WaitGroup
}

// balance serves a load balancer until SIGTERM.
func balance(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("balance", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve at")
	port := flags.Int("target-port", 8080, "port of the targets")
	linger := flags.Duration("linger", 0, "for how long a target is sent requests after it was taken away")
	first := flags.String("target", "", "address of the first target")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b := &balancer{port: *port, linger: *linger, transport: &http.Transport{DisableKeepAlives: true}}
	if *first != "" {
		b.add(*first)
	}
	return listenUntilDone(ctx, *listen, b.handler())
}

func (b *balancer) handler() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /targets/{address}", func(_ http.ResponseWriter, r *http.Request) { b.add(r.PathValue("address")) })
	mux.HandleFunc("DELETE /targets/{address}", func(_ http.ResponseWriter, r *http.Request) {
		time.Sleep(b.linger)
		b.remove(r.PathValue("address"))
	})
	mux.HandleFunc("GET /targets", func(w http.ResponseWriter, _ *http.Request) {
		for _, address := range b.addresses() {
			fmt.Fprintln(w, address)
		}
	})
	mux.HandleFunc("/", b.forward)
	return mux
}

// add begins to send requests to an address.
func (b *balancer) add(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.find(address) < 0 {
		b.targets = append(b.targets, &target{address: address})
	}
}

// remove ends the sending of requests to an address, and returns when those that were sent are answered.
func (b *balancer) remove(address string) {
	b.mu.Lock()
	i := b.find(address)
	if i < 0 {
		b.mu.Unlock()
		return
	}
	gone := b.targets[i]
	b.targets = slices.Delete(b.targets, i, i+1)
	b.mu.Unlock()
	gone.pending.Wait()
}

func (b *balancer) find(address string) int {
	return slices.IndexFunc(b.targets, func(t *target) bool { return t.address == address })
}

func (b *balancer) addresses() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, t := range b.targets {
		all = append(all, t.address)
	}
	slices.Sort(all)
	return all
}

// pick returns the target of the next request, or nil. Whoever gets it is to call its pending.Done.
func (b *balancer) pick() *target {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.targets) == 0 {
		return nil
	}
	b.next++
	t := b.targets[b.next%len(b.targets)]
	t.pending.Add(1)
	return t
}

// forward sends a request on to the next target. It does not try another one if that fails.
func (b *balancer) forward(w http.ResponseWriter, r *http.Request) {
	t := b.pick()
	if t == nil {
		http.Error(w, "there is no target", http.StatusServiceUnavailable)
		return
	}
	defer t.pending.Done()
	to := &url.URL{Scheme: "http", Host: net.JoinHostPort(t.address, fmt.Sprint(b.port))}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: b.transport,
	}
	proxy.ServeHTTP(w, r)
}
