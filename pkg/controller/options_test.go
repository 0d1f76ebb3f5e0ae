package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/insitu-dev/insitu/pkg/webhook"
)

// parsed returns the options of a command line.
func parsed(t *testing.T, args ...string) *Options {
	t.Helper()
	o := &Options{}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	o.Bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaultsAreValid(t *testing.T) {
	o := parsed(t)
	want := &Options{
		LeaderElect: true, HealthAddress: ":8081", MetricsAddress: ":8080", LogFormat: "json", LogLevel: "info",
		Webhook: webhook.Options{Port: 9443, Lifetime: 90 * 24 * time.Hour},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		args []string
		want []string
	}{
		"console":           {[]string{"--log-format=console"}, nil},
		"level in capitals": {[]string{"--log-level=WARN"}, nil},
		"unknown format":    {[]string{"--log-format=xml"}, []string{"--log-format"}},
		"level of panics":   {[]string{"--log-level=fatal"}, []string{"--log-level", `"fatal"`}},
		"unknown level":     {[]string{"--log-level=loud"}, []string{"--log-level", `"loud"`}},
		"webhooks off":      {[]string{"--webhooks=false", "--webhook-port=0"}, nil},
		"webhooks": {
			[]string{"--webhooks"}, []string{"--webhook-secret", "NAMESPACE/NAME", "--webhook-configuration", "--webhook-hosts"},
		},
		"webhooks with certificates of ours": {
			[]string{
				"--webhooks", "--webhook-secret=insitu/certificates", "--webhook-configuration=insitu",
				"--webhook-hosts=insitu.insitu.svc,127.0.0.1,::1", "--webhook-certificate-lifetime=10s",
			}, nil,
		},
		"webhooks with certificates of others": {[]string{"--webhooks", "--webhook-cert-dir=/certificates"}, nil},
		"webhooks with both": {
			[]string{"--webhooks", "--webhook-cert-dir=/certificates", "--webhook-secret=insitu/certificates"},
			[]string{"--webhook-cert-dir", "--webhook-secret"},
		},
		"webhooks of a short life": {
			[]string{
				"--webhooks", "--webhook-secret=insitu/certificates", "--webhook-configuration=insitu",
				"--webhook-hosts=insitu.insitu.svc", "--webhook-certificate-lifetime=9s",
			},
			[]string{"--webhook-certificate-lifetime", "at least 10s"},
		},
		"webhooks of no host": {
			[]string{
				"--webhooks", "--webhook-secret=insitu/certificates", "--webhook-configuration=insitu", "--webhook-hosts=a, b",
			},
			[]string{"--webhook-hosts", `" b"`},
		},
		"webhooks at no port": {[]string{"--webhooks", "--webhook-cert-dir=/a", "--webhook-port=65536"}, []string{"--webhook-port"}},
		"all of them": {
			[]string{"--webhooks", "--log-format=xml", "--log-level=loud"}, []string{"--webhook-secret", "--log-format", "--log-level"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := parsed(t, tt.args...).Validate()
			if (err != nil) != (len(tt.want) > 0) {
				t.Fatalf("got %v", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %s", err, part)
				}
			}
		})
	}
}

func TestSecretNeedsItsNamespace(t *testing.T) {
	for _, text := range []string{"certificates", "/certificates", "insitu/", "a/b/c"} {
		flags := flag.NewFlagSet("manager", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		(&Options{}).Bind(flags)
		err := flags.Parse([]string{"--webhook-secret=" + text})
		if err == nil || !strings.Contains(err.Error(), "NAMESPACE/NAME") {
			t.Errorf("%s: got the error %v", text, err)
		}
	}
}

// logged returns what the log that the options ask for writes to its output.
func logged(t *testing.T, o *Options) []byte {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = write
	log, err := o.Logger()
	os.Stderr = stderr
	if err != nil {
		t.Fatal(err)
	}
	log.Info("Drain", "object", "web-a")
	log.V(1).Info("detail")
	log.Error(errors.New("refused"), "Create")
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	lines, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestJSONLog(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(logged(t, parsed(t))), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want those of info and error:\n%s", len(lines), bytes.Join(lines, []byte("\n")))
	}
	entry := map[string]any{}
	if err := json.Unmarshal(lines[0], &entry); err != nil {
		t.Fatalf("%s: %v", lines[0], err)
	}
	if entry["msg"] != "Drain" || entry["object"] != "web-a" || entry["level"] != "info" {
		t.Errorf("got %v", entry)
	}
}

func TestConsoleLog(t *testing.T) {
	text := string(logged(t, parsed(t, "--log-format=console", "--log-level=debug")))
	for _, part := range []string{"info", "Drain", `{"object": "web-a"}`, "debug", "detail", "error", "refused"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

func TestLogThatCannotBeMade(t *testing.T) {
	for _, args := range [][]string{{"--log-level=loud"}, {"--log-format=xml"}} {
		if _, err := parsed(t, args...).Logger(); err == nil {
			t.Errorf("%v gives a log", args)
		}
	}
}

func TestSchemeHoldsTheKindsThatAreUsed(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"apps.insitu.dev", "", "apps", "discovery.k8s.io", "events.k8s.io", "admissionregistration.k8s.io"} {
		if !scheme.IsGroupRegistered(group) {
			t.Errorf("group %q is missing", group)
		}
	}
}
