package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// maxBody bounds what is read of an answer, in bytes. More than a version is not expected.
const maxBody = 256

// Series sends requests to one URL at a steady rate.
type Series struct {
	clock    clock.Clock
	url      string
	interval time.Duration
	clients  []*http.Client

	mu    sync.Mutex
	stats Stats
}

// Options describes a series.
type Options struct {
	// URL is what is asked for, by GET.
	URL string
	// Rate is the number of requests a second, at least 1.
	Rate int
	// Timeout is how long an answer may take, from the connecting to the last byte of the body.
	Timeout time.Duration
	// Connections is the number of connections to keep and to use in turn. 0 means a new one for each request.
	Connections int
}

// NewSeries returns a series that has not begun. The clock paces it.
func NewSeries(c clock.Clock, o Options) *Series {
	s := &Series{clock: c, url: o.URL, interval: time.Second / time.Duration(max(1, o.Rate))}
	for range max(1, o.Connections) {
		s.clients = append(s.clients, newClient(o))
	}
	return s
}

// newClient returns a client with a pool of its own, so that a series over n connections really uses n of them: one
// pool would hand out the connection used last, again and again.
func newClient(o Options) *http.Client {
	return &http.Client{
		Timeout:       o.Timeout,
		Transport:     &http.Transport{DisableKeepAlives: o.Connections == 0},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run sends requests until ctx ends, and returns when the last of them was answered or has failed.
func (s *Series) Run(ctx context.Context) {
	var pending sync.WaitGroup
	defer pending.Wait()
	start := s.clock.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(i) * s.interval)
		if !s.waitFor(ctx, due) {
			return
		}
		// The end of the load must not cut off requests that were sent: they would look like failures.
		pending.Go(func() { s.record(s.send(context.WithoutCancel(ctx), i, due)) })
	}
}

// Stats returns a snapshot.
func (s *Series) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.clone()
}

// waitFor returns at t, at once when t has passed, and with false when ctx has ended.
func (s *Series) waitFor(ctx context.Context, t time.Time) bool {
	wait := t.Sub(s.clock.Now())
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := s.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

func (s *Series) record(o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.add(o)
}

// outcome is what became of one request.
type outcome struct {
	due    time.Time
	body   string
	resent bool
	err    error
}

func (s *Series) send(ctx context.Context, i int, due time.Time) outcome {
	var connections atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections.Add(1) },
	})
	body, err := get(ctx, s.clients[i%len(s.clients)], s.url)
	return outcome{due: due, body: body, resent: connections.Load() > 1, err: err}
}

// get returns the body of a 200, without the white space around it.
func get(ctx context.Context, c *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	return strings.TrimSpace(string(body)), nil
}
