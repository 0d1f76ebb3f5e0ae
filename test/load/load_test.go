package load_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/insitu-dev/insitu/test/load"
)

// runUntil runs the series until its counts satisfy reached, and returns them.
func runUntil(t *testing.T, s *load.Series, reached func(load.Stats) bool) load.Stats {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached(s.Stats()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the series did not get there: %+v", s.Stats())
		}
	}
	stop()
	<-done
	return s.Stats()
}

// countingServer counts the connections that were opened to it.
func countingServer(t *testing.T, h http.HandlerFunc) (url string, connections *atomic.Int64) {
	t.Helper()
	connections = &atomic.Int64{}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, connections
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func TestEachRequestHasANewConnection(t *testing.T) {
	url, connections := countingServer(t, answer("v1\n"))
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: url, Rate: 500, Timeout: time.Second})
	got := runUntil(t, s, func(s load.Stats) bool { return s.Requests >= 50 })
	if got.Failed != 0 || got.Answers["v1"] != got.Requests {
		t.Errorf("every request was answered, but counted was %+v", got)
	}
	if n := connections.Load(); n != got.Requests {
		t.Errorf("%d connections for %d requests", n, got.Requests)
	}
}

func TestKeptAliveSeriesUsesItsConnections(t *testing.T) {
	url, connections := countingServer(t, answer("v1"))
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: url, Rate: 200, Timeout: time.Second, Connections: 3})
	runUntil(t, s, func(s load.Stats) bool { return s.Requests >= 60 })
	if n := connections.Load(); n < 3 || n > 20 {
		t.Errorf("%d connections were opened for a series over 3", n)
	}
}

func TestAStatusBut200IsAFailure(t *testing.T) {
	url, _ := countingServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: url, Rate: 200, Timeout: time.Second})
	got := runUntil(t, s, func(s load.Stats) bool { return s.Requests >= 5 })
	if got.Failed != got.Requests || got.Failures[0].Error != "status 204 No Content" {
		t.Errorf("got %+v", got)
	}
}

func TestARefusedConnectionIsAFailure(t *testing.T) {
	srv := httptest.NewServer(answer(""))
	srv.Close()
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: srv.URL, Rate: 200, Timeout: time.Second})
	got := runUntil(t, s, func(s load.Stats) bool { return s.Requests >= 5 })
	if got.Failed != got.Requests || got.Failures[0].Time.IsZero() {
		t.Errorf("got %+v", got)
	}
}

// A slow answer must not slow the rate: all requests of the first second are sent while the first is still waited for.
func TestPaceIsOpenLoop(t *testing.T) {
	var received atomic.Int64
	release := make(chan struct{})
	url, _ := countingServer(t, func(http.ResponseWriter, *http.Request) { received.Add(1); <-release })
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: url, Rate: 100, Timeout: 15 * time.Second})
	got := runUntil(t, s, func(load.Stats) bool {
		if received.Load() < 20 {
			return false
		}
		close(release)
		return true
	})
	if got.Requests < 20 || got.Failed != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAnAnswerThatIsTooLateIsAFailure(t *testing.T) {
	release := make(chan struct{})
	url, _ := countingServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	s := load.NewSeries(clock.RealClock{}, load.Options{URL: url, Rate: 100, Timeout: 50 * time.Millisecond})
	got := runUntil(t, s, func(s load.Stats) bool { return s.Requests >= 3 })
	if got.Failed != got.Requests {
		t.Errorf("got %+v", got)
	}
}

func TestSinceCountsOnlyWhatCameAfter(t *testing.T) {
	before := load.Stats{Requests: 3, Failed: 1, Answers: map[string]int64{"v1": 2}, Failures: []load.Failure{{Error: "old"}}}
	after := load.Stats{
		Requests: 8, Failed: 2, Answers: map[string]int64{"v1": 2, "v2": 4},
		Failures: []load.Failure{{Error: "old"}, {Error: "new"}},
	}
	got := after.Since(before)
	if got.Requests != 5 || got.Failed != 1 || len(got.Answers) != 1 || got.Answers["v2"] != 4 {
		t.Errorf("got %+v", got)
	}
	if len(got.Failures) != 1 || got.Failures[0].Error != "new" {
		t.Errorf("failures: %+v", got.Failures)
	}
}

func TestHandlerServesTheReport(t *testing.T) {
	l := load.New(clock.RealClock{}, "http://127.0.0.1:1/", 1, 1)
	rec := httptest.NewRecorder()
	l.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, load.StatsPath, http.NoBody))
	var got load.Report
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || got.NewConnections.Requests != 0 {
		t.Errorf("body %q: %v", rec.Body, err)
	}
}

func TestSummaryGroupsFailures(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	got := load.Stats{Requests: 9, Failed: 3, Failures: []load.Failure{
		{Time: at(5), Error: "refused"}, {Time: at(4), Error: "EOF"}, {Time: at(3), Error: "refused"},
	}}.Summary()
	want := "3 of 9 requests failed\n  1 times, 00:00:04.000 to 00:00:04.000: EOF\n  2 times, 00:00:03.000 to 00:00:05.000: refused"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
