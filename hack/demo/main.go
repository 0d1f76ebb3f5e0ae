// Command demo shows what an in-place update is worth. It updates a CloneSet, and then a Deployment of the same pods,
// under a steady load, tells what happens as it happens, and compares the two.
//
// It ends with a table and a report in JSON, and with an error if the in-place update did not do what it promises.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// timeout bounds the whole demo. It takes two minutes on a small machine.
const timeout = 15 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	name := flags.String("cluster", "dev", "name of the cluster to use; it must be up")
	report := flags.String("report", "demo-report.json", "file to write the report to")
	rate := flags.Int("rate", 200, "requests a second with a new connection for each")
	padding := flags.Int64("padding", 100<<20, "bytes of the main image that its versions share")
	grace := flags.Int("grace", defaultGraceSeconds, "the CloneSet's gracePeriodSeconds and the Deployment's preStop sleep, in seconds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cluster, err := framework.Open(*name)
	if err != nil {
		return fmt.Errorf("%w\n`make cluster-up` starts one", err)
	}
	if err := cluster.CheckInstalled(ctx); err != nil {
		return err
	}
	d := &demo{
		cluster: cluster, clock: clock.RealClock{}, out: os.Stdout, rate: *rate, padding: *padding, grace: int32(*grace),
		simulated: cluster.Nodes == framework.NoNode,
	}
	if d.simulated {
		return d.simulate(ctx, *report)
	}
	return d.compare(ctx, *report)
}
