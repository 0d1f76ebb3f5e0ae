package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// shutdownTimeout bounds how long requests that have begun may take after SIGTERM.
const shutdownTimeout = 10 * time.Second

// serve answers every request with the version of its image. It is ready a while after its start. On request it records
// its starts in a file, which it answers with.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve at")
	delay := flags.Duration("ready-delay", time.Second, "how long after its start the server is ready")
	starts := flags.String("record-starts", "", "file to add the version of the image to; /starts answers with the file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	version, err := os.ReadFile(versionFile)
	if err != nil {
		return fmt.Errorf("read the version: %w", err)
	}
	mux := webHandler(strings.TrimSpace(string(version)), time.Now().Add(*delay))
	if *starts != "" {
		if err := record(*starts, version); err != nil {
			return err
		}
		mux.HandleFunc("GET /starts", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, *starts) })
	}
	return listenUntilDone(ctx, *listen, mux)
}

// record adds a line to a file.
func record(path string, version []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	_, err = fmt.Fprintf(file, "%s\n", bytes.TrimSpace(version))
	return errors.Join(err, file.Close())
}

// sidecar stands for a proxy or an agent: it has started up a while after its start, and then does nothing.
func sidecar(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("sidecar", flag.ContinueOnError)
	listen := flags.String("listen", ":9090", "address to serve at")
	delay := flags.Duration("startup-delay", 0, "how long the start-up takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /startupz", okAfter(time.Now().Add(*delay)))
	return listenUntilDone(ctx, *listen, mux)
}

func webHandler(version string, readyAt time.Time) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", okAfter(readyAt))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version) })
	return mux
}

func okAfter(t time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(t) {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

// listenUntilDone serves until ctx ends. Then it does what servers do at SIGTERM: no new connection, and an end as soon
// as the requests that have begun are answered.
func listenUntilDone(ctx context.Context, address string, h http.Handler) error {
	srv := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: shutdownTimeout}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(srv.Shutdown(ending), ignoreClosed(<-served))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
