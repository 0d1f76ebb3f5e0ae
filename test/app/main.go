// Command app is what runs in the pods of the demo and of the end-to-end tests: a web server, its sidecar, its init
// container, a program that crashes at start, the load, and a load balancer. One binary serves them all, so that images differ by their
// last layer only.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// versionFile is in the last layer of every image, and is all by which two versions of an image differ.
const versionFile = "/version"

type command func(ctx context.Context, args []string) error

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	commands := map[string]command{
		"serve": serve, "sidecar": sidecar, "init": initialise, "crash": crash, "load": sendLoad, "balance": balance,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("the first argument must be serve, sidecar, init, crash, load or balance, but the arguments are %q", args)
	}
	return commands[args[0]](ctx, args[1:])
}
