package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/insitu-dev/insitu/test/load"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

// result is what the update of one workload cost.
type result struct {
	Pods     int `json:"pods"`
	SameUID  int `json:"sameUID"`
	SameIP   int `json:"sameIP"`
	SameNode int `json:"sameNode"`
	// OtherContainersRestarted counts containers that the change was not about.
	OtherContainersRestarted int   `json:"otherContainersRestarted"`
	Requests                 int64 `json:"requests"`
	RequestsFailed           int64 `json:"requestsFailed"`
	KeptAliveRequests        int64 `json:"keptAliveRequests"`
	KeptAliveRequestsFailed  int64 `json:"keptAliveRequestsFailed"`
	// KeptAliveRequestsResent counts requests that the client sent again on another connection.
	KeptAliveRequestsResent int64   `json:"keptAliveRequestsResent"`
	RolloutSeconds          float64 `json:"rolloutSeconds"`
	// PodSecondsOutOfService is the integral of max(0, replicas - endpoints ready and not terminating) over the rollout.
	PodSecondsOutOfService float64 `json:"podSecondsOutOfService"`
	MedianOutSeconds       float64 `json:"medianOutSeconds"`
	LongestOutSeconds      float64 `json:"longestOutSeconds"`
	// Failures and KeptAliveFailures are the first failed requests, in their order.
	Failures          []load.Failure `json:"failures,omitempty"`
	KeptAliveFailures []load.Failure `json:"keptAliveFailures,omitempty"`
}

func newResult(id rollout.Identity, sent load.Report, cost rollout.Cost) result {
	return result{
		Pods: id.Pods, SameUID: id.SameUID, SameIP: id.SameIP, SameNode: id.SameNode,
		OtherContainersRestarted: id.OtherContainersRestarted,
		Requests:                 sent.NewConnections.Requests,
		RequestsFailed:           sent.NewConnections.Failed,
		KeptAliveRequests:        sent.KeptAlive.Requests,
		KeptAliveRequestsFailed:  sent.KeptAlive.Failed,
		KeptAliveRequestsResent:  sent.KeptAlive.Resent,
		RolloutSeconds:           seconds(cost.Elapsed),
		PodSecondsOutOfService:   seconds(cost.PodTime),
		MedianOutSeconds:         seconds(cost.MedianOut),
		LongestOutSeconds:        seconds(cost.LongestOut),
		Failures:                 sent.NewConnections.Failures,
		KeptAliveFailures:        sent.KeptAlive.Failures,
	}
}

// traffic returns the series of new connections.
func (r *result) traffic() load.Stats {
	return load.Stats{Requests: r.Requests, Failed: r.RequestsFailed, Failures: r.Failures}
}

// seconds rounds to milliseconds: the clock of a watching client tells no more.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// report compares the kinds.
type report struct {
	// Simulated says that no real pods were updated, and that no requests were sent.
	Simulated  bool   `json:"simulated"`
	CloneSet   result `json:"cloneSet"`
	Deployment result `json:"deployment"`
}

func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// line is a line of the table.
type line struct {
	title string
	value func(result) any
}

func identityLines() []line {
	return []line{
		{"pods", func(r result) any { return r.Pods }},
		{"still the same pod (UID)", func(r result) any { return r.SameUID }},
		{"with the same IP", func(r result) any { return r.SameIP }},
		{"on the same node", func(r result) any { return r.SameNode }},
		{"other containers restarted", func(r result) any { return r.OtherContainersRestarted }},
	}
}

func trafficLines() []line {
	return []line{
		{"requests, a new connection each", func(r result) any { return r.Requests }},
		{"of these failed", func(r result) any { return r.RequestsFailed }},
		{"requests over kept-alive connections", func(r result) any { return r.KeptAliveRequests }},
		{"of these failed", func(r result) any { return r.KeptAliveRequestsFailed }},
		{"of these sent again by the client", func(r result) any { return r.KeptAliveRequestsResent }},
	}
}

func timeLines() []line {
	tenths := func(seconds float64) string { return fmt.Sprintf("%.1f", seconds) }
	return []line{
		{"rollout, seconds", func(r result) any { return tenths(r.RolloutSeconds) }},
		{"out of service, pod-seconds", func(r result) any { return tenths(r.PodSecondsOutOfService) }},
		{"one pod out, median seconds", func(r result) any { return tenths(r.MedianOutSeconds) }},
		{"one pod out, longest seconds", func(r result) any { return tenths(r.LongestOutSeconds) }},
	}
}

func (r *report) print(out io.Writer) {
	lines := identityLines()
	if !r.Simulated {
		lines = append(lines, trafficLines()...)
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n\tCloneSet\tDeployment\t\n")
	for _, l := range append(lines, timeLines()...) {
		fmt.Fprintf(w, "%s\t%v\t%v\t\n", l.title, l.value(r.CloneSet), l.value(r.Deployment))
	}
	_ = w.Flush()
	fmt.Fprint(out, "\nA recreated pod of this kind repeats its sandbox, its init container and its sidecar's start-up; an updated one\n"+
		"does not. For a pod with nothing but one tiny container a recreation is as quick as drain plus restart.\n\n")
}

// promise is something that an in-place update is to do.
type promise struct {
	kept   bool
	broken string
}

// verdict returns an error for every promise that the in-place update did not keep.
func (r *report) verdict() error {
	promises := r.identityPromises()
	if !r.Simulated {
		promises = append(promises, r.trafficPromises()...)
	}
	var broken []error
	for _, p := range promises {
		if !p.kept {
			broken = append(broken, errors.New(p.broken))
		}
	}
	return errors.Join(broken...)
}

func (r *report) identityPromises() []promise {
	c := r.CloneSet
	return []promise{
		{c.Pods == replicas, fmt.Sprintf("there are %d pods after the update", c.Pods)},
		{c.SameUID == c.Pods && c.SameIP == c.Pods && c.SameNode == c.Pods, "not every pod kept its UID, IP and node"},
		{c.OtherContainersRestarted == 0, fmt.Sprintf("%d other containers were restarted", c.OtherContainersRestarted)},
	}
}

// trafficPromises include the one about time: how long simulated pods take says nothing.
func (r *report) trafficPromises() []promise {
	c := r.CloneSet
	return []promise{
		{c.RequestsFailed == 0, "during the in-place update " + c.traffic().Summary()},
		{c.Requests >= minRequests, fmt.Sprintf("%d requests are too few to tell", c.Requests)},
		{
			2*c.PodSecondsOutOfService <= r.Deployment.PodSecondsOutOfService,
			fmt.Sprintf("pods were out of service for %.1f s, more than half of the Deployment's %.1f s",
				c.PodSecondsOutOfService, r.Deployment.PodSecondsOutOfService),
		},
	}
}
