package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRecorded bounds the failures that are kept with their text. All of them are counted.
const maxRecorded = 500

// clockTime is the layout of times for people.
const clockTime = "15:04:05.000"

// Failure is one failed request.
type Failure struct {
	// Time is when the request was due.
	Time time.Time `json:"time"`
	// Error says what happened, for people.
	Error string `json:"error"`
}

// Stats counts the requests of one series. The zero value is an empty series.
type Stats struct {
	// Requests is the number of requests that were answered or have failed.
	Requests int64 `json:"requests"`
	// Failed is the number of those that got an error, no answer in time, or a status but 200.
	Failed int64 `json:"failed"`
	// Resent is the number of requests that the HTTP client sent again by itself, because a connection it had kept
	// turned out to be closed. It is always 0 in a series of new connections.
	Resent int64 `json:"resent"`
	// Answers counts the answers by their body, which is the server's version.
	Answers map[string]int64 `json:"answers,omitempty"`
	// Failures are the first failures, in the order in which they were noticed.
	Failures []Failure `json:"failures,omitempty"`
}

// Since returns what was counted after earlier, a snapshot of the same series.
func (s Stats) Since(earlier Stats) Stats {
	diff := Stats{
		Requests: s.Requests - earlier.Requests,
		Failed:   s.Failed - earlier.Failed,
		Resent:   s.Resent - earlier.Resent,
		Answers:  map[string]int64{},
		Failures: slices.Clone(s.Failures[min(len(earlier.Failures), len(s.Failures)):]),
	}
	for body, n := range s.Answers {
		if more := n - earlier.Answers[body]; more > 0 {
			diff.Answers[body] = more
		}
	}
	return diff
}

// Summary tells how many requests failed, and of the recorded failures how often each error came and when first and last.
func (s Stats) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d requests failed", s.Failed, s.Requests)
	byError := map[string][]time.Time{}
	for _, f := range s.Failures {
		byError[f.Error] = append(byError[f.Error], f.Time)
	}
	for _, text := range slices.Sorted(maps.Keys(byError)) {
		times := slices.SortedFunc(slices.Values(byError[text]), time.Time.Compare)
		fmt.Fprintf(&b, "\n  %d times, %s to %s: %s", len(times), times[0].Format(clockTime),
			times[len(times)-1].Format(clockTime), text)
	}
	return b.String()
}

func (s Stats) clone() Stats {
	s.Answers = maps.Clone(s.Answers)
	s.Failures = slices.Clone(s.Failures)
	return s
}

func (s *Stats) add(o outcome) {
	s.Requests++
	if o.resent {
		s.Resent++
	}
	if o.err == nil {
		s.answered(o.body)
		return
	}
	s.Failed++
	if len(s.Failures) < maxRecorded {
		s.Failures = append(s.Failures, Failure{Time: o.due, Error: o.err.Error()})
	}
}

func (s *Stats) answered(body string) {
	if s.Answers == nil {
		s.Answers = map[string]int64{}
	}
	s.Answers[body]++
}

// Report holds both series.
type Report struct {
	// NewConnections is the series that opens a connection for each request.
	NewConnections Stats `json:"newConnections"`
	// KeptAlive is the series that keeps its connections.
	KeptAlive Stats `json:"keptAlive"`
}

// Since returns what was counted after earlier, a snapshot of the same load.
func (r Report) Since(earlier Report) Report {
	return Report{
		NewConnections: r.NewConnections.Since(earlier.NewConnections),
		KeptAlive:      r.KeptAlive.Since(earlier.KeptAlive),
	}
}
