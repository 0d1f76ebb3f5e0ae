package integration_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/pkg/webhook"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

const (
	// shortLife leaves ten seconds between a successor and its being served, and as many until its predecessor expires, for
	// machines that have much else to do.
	shortLife = time.Minute
	rotations = 2
	// rotationTimeout is longer than the rotations take.
	rotationTimeout = 4 * time.Minute
)

// Certificates of a minute are replaced twice. Meanwhile every request is answered, by the manager that leads and by the one
// that follows, and a connection that was there before goes on.
func TestCertificatesRotate(t *testing.T) {
	g := newGuardedFor(t, shortLife)
	follower := g.options
	follower.Port = harness.FreePort(t)
	g.cluster.StartWebhooks(t, &follower, g.namespace)
	g.poll(func() bool { return g.dial(follower.Port) != nil })
	kept := g.keepConnection()

	served := map[int]sets.Set[string]{g.options.Port: {}, follower.Port: {}}
	ctx, cancel := context.WithTimeout(t.Context(), rotationTimeout)
	defer cancel()
	pace := time.NewTicker(pollInterval)
	defer pace.Stop()
	for served[g.options.Port].Len() <= rotations || served[follower.Port].Len() <= rotations {
		select {
		case <-ctx.Done():
			t.Fatalf("the certificates that were served are %v", served)
		case <-pace.C:
		}
		for port, serials := range served {
			cert := g.dial(port)
			if cert == nil {
				t.Fatalf("port %d serves a certificate that API servers do not trust", port)
			}
			serials.Insert(cert.SerialNumber.String())
		}
		g.must(g.try(`{}`))
		if err := g.try(ofPod(`dnsPolicy: Never`)); !apierrors.IsInvalid(err) {
			t.Fatalf("got the error %v", err)
		}
		kept()
	}
}

// dial makes a connection as an API server does, and returns the certificate, or nothing if it is not to be trusted.
func (g *guarded) dial(port int) *x509.Certificate {
	g.Helper()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: g.trusted()}}
	conn, err := dialer.DialContext(g.Context(), "tcp", address(port))
	if err != nil {
		g.Logf("port %d: %v", port, err)
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// trusted returns what API servers trust.
func (g *guarded) trusted() *x509.CertPool {
	g.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(g.configuration().Webhooks[0].ClientConfig.CABundle)
	return pool
}

func (g *guarded) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	g.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.must(g.client.Get(g.Context(), client.ObjectKey{Name: g.options.Configuration}, configuration))
	return configuration
}

// keepConnection opens a connection, and returns a function that fails the test if it is not the one that is used.
func (g *guarded) keepConnection() func() {
	g.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.trusted()}, ForceAttemptHTTP2: true}
	g.Cleanup(transport.CloseIdleConnections)
	first := true
	send := func() {
		g.Helper()
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if !first && !info.Reused {
				g.Error("the connection was closed")
			}
		}}
		url := "https://" + address(g.options.Port) + webhook.Path
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(g.Context(), trace), http.MethodPost, url, strings.NewReader("{}"))
		g.must(err)
		response, err := transport.RoundTrip(request)
		g.must(err)
		_, err = io.Copy(io.Discard, response.Body)
		g.must(err)
		g.must(response.Body.Close())
	}
	send()
	first = false
	return send
}

// Whatever is done to the Secret and to the configuration is set right at once.
func TestCertificatesAreMended(t *testing.T) {
	g := newGuarded(t)
	key := g.options.Secret
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	for name, harm := range map[string]func() error{
		"the Secret is deleted": func() error { return g.client.Delete(t.Context(), secret) },
		"the Secret is emptied": func() error {
			return g.client.Patch(t.Context(), secret, client.RawPatch("application/merge-patch+json", []byte(`{"data":null}`)))
		},
		"the key is another's": func() error {
			return g.client.Patch(t.Context(), secret, client.RawPatch("application/merge-patch+json", []byte(`{"data":{"tls.key":"YQ=="}}`)))
		},
		"the bundle is taken away, as by helm upgrade --force": func() error {
			configuration := g.configuration()
			configuration.Webhooks[0].ClientConfig.CABundle = nil
			return g.client.Update(t.Context(), configuration)
		},
		"the bundle is another's": func() error {
			configuration := g.configuration()
			configuration.Webhooks[0].ClientConfig.CABundle = []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
			return g.client.Update(t.Context(), configuration)
		},
	} {
		t.Log(name)
		before := g.dial(g.options.Port)
		g.must(harm())
		g.poll(func() bool {
			now := g.dial(g.options.Port)
			return now != nil && (strings.Contains(name, "bundle") || !now.Equal(before))
		})
		g.untilAsked()
	}
}
