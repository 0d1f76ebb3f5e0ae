package load

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// DefaultTimeout is how long an answer may take before the request counts as failed.
const DefaultTimeout = 2 * time.Second

// StatsPath is where a Load's handler serves its Report as JSON.
const StatsPath = "/stats"

// Load is a series of new connections with one of kept-alive connections beside it.
type Load struct {
	fresh *Series
	kept  *Series
}

// New returns a load on url that has not begun: rate requests a second with a new connection for each, and keptRate
// requests a second over that many kept-alive connections as make a request a second each.
func New(c clock.Clock, url string, rate, keptRate int) *Load {
	return &Load{
		fresh: NewSeries(c, Options{URL: url, Rate: rate, Timeout: DefaultTimeout}),
		kept:  NewSeries(c, Options{URL: url, Rate: keptRate, Timeout: DefaultTimeout, Connections: max(1, keptRate)}),
	}
}

// Run sends both series until ctx ends.
func (l *Load) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { l.fresh.Run(ctx) })
	both.Go(func() { l.kept.Run(ctx) })
	both.Wait()
}

// Report returns a snapshot of both series.
func (l *Load) Report() Report {
	return Report{NewConnections: l.fresh.Stats(), KeptAlive: l.kept.Stats()}
}

// ServeHTTP answers every request with the Report as JSON.
func (l *Load) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(l.Report()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
