package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestServerCertificateHoldsForNamesAndAddresses(t *testing.T) {
	authority, roots := newAuthority(t)
	pair, err := authority.Server([]string{"kubernetes", "localhost"}, []net.IP{net.IPv4(10, 96, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, pair)
	for _, name := range []string{"kubernetes", "localhost", "10.96.0.1"} {
		if _, err := certificate.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
}

func TestClientCertificateCarriesTheIdentity(t *testing.T) {
	authority, roots := newAuthority(t)
	pair, err := authority.Client("system:node:node", "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, pair)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: usage}); err != nil {
		t.Error(err)
	}
	subject := certificate.Subject
	if subject.CommonName != "system:node:node" || !slices.Equal(subject.Organization, []string{"system:nodes"}) {
		t.Errorf("subject = %v", subject)
	}
}

func newAuthority(t *testing.T) (*Authority, *x509.CertPool) {
	t.Helper()
	authority, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Pair()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pair.Certificate)
	return authority, roots
}

func parse(t *testing.T, pair Pair) *x509.Certificate {
	t.Helper()
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Leaf
}
