package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/insitu-dev/insitu/test/load"
)

// initialise stands for a migration or a download: it works for a while and succeeds.
func initialise(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	work := flags.Duration("work", 0, "how long it works")
	if err := flags.Parse(args); err != nil {
		return err
	}
	select {
	case <-time.After(*work):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// crash ends with an error at once, whatever its arguments are: an image with it takes the place of one that serves.
func crash(context.Context, []string) error {
	return errors.New("crashing, as this image is meant to")
}

// sendLoad sends requests until SIGTERM and serves what it counted.
func sendLoad(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	listen := flags.String("listen", ":8081", "address to serve the counts at")
	target := flags.String("target", "", "URL to send requests to")
	rate := flags.Int("rate", 100, "requests a second with a new connection for each")
	kept := flags.Int("kept-rate", 20, "requests a second over kept-alive connections, and the number of these")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l := load.New(clock.RealClock{}, *target, *rate, *kept)
	mux := http.NewServeMux()
	mux.Handle("GET "+load.StatsPath, l)
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { l.Run(ctx) })
	return listenUntilDone(ctx, *listen, mux)
}
