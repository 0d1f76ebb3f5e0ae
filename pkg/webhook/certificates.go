package webhook

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"
)

// Keys of the Secret. The certificate that is served stands under those of a Secret of TLS; the one that is to follow it
// stands beside it; and the bundle is what API servers are to trust.
const (
	currentCert, currentKey = "tls.crt", "tls.key"
	nextCert, nextKey       = "next.crt", "next.key"
	bundleKey               = "ca.crt"
)

// ahead is for how long before it was made a certificate is valid: the clocks of machines differ.
const ahead = time.Hour

var errNoAuthority = errors.New("must be followed by the certificate of who signed it, and nothing else")

// pair is a certificate with its key. It was signed by an authority of its own, whose key was thrown away: there is
// nothing with which anyone could sign another one.
type pair struct {
	cert, key       []byte
	leaf, authority *x509.Certificate
}

// makePair makes a certificate for these hosts that is valid from now on for a lifetime.
func makePair(hosts []string, lifetime time.Duration) (*pair, error) {
	options := certutil.SelfSignedCertKeyOptions{Host: hosts[0], MaxAge: lifetime + ahead}
	for _, host := range hosts[1:] {
		if ip := net.ParseIP(host); ip != nil {
			options.AlternateIPs = append(options.AlternateIPs, ip)
		} else {
			options.AlternateDNS = append(options.AlternateDNS, host)
		}
	}
	cert, key, err := certutil.GenerateSelfSignedCertKeyWithOptions(options)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return readPair(cert, key, hosts)
}

// readPair reads what makePair made. It takes nothing else, and nothing that is for other hosts.
func readPair(cert, key []byte, hosts []string) (*pair, error) {
	read, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	if len(read.Certificate) != 2 {
		return nil, errNoAuthority
	}
	authority, err := x509.ParseCertificate(read.Certificate[1])
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	if err := read.Leaf.CheckSignatureFrom(authority); err != nil {
		return nil, fmt.Errorf("checking a certificate: %w", err)
	}
	for _, host := range hosts {
		if err := read.Leaf.VerifyHostname(host); err != nil {
			return nil, fmt.Errorf("checking a certificate: %w", err)
		}
	}
	return &pair{cert: cert, key: key, leaf: read.Leaf, authority: authority}, nil
}

func (p *pair) validAt(now time.Time) bool {
	return p != nil && !now.Before(p.leaf.NotBefore) && now.Before(p.leaf.NotAfter)
}

// before returns when a part of the certificate's life is left.
func (p *pair) before(part int64) time.Time {
	life := p.leaf.NotAfter.Sub(p.leaf.NotBefore) - ahead
	return p.leaf.NotAfter.Add(-life / time.Duration(part))
}

// The successor of a certificate is made, and trusted, when two thirds of the certificate's life are over. It is served
// from five sixths on, so that every API server has heard of it long before.
func (p *pair) successorAt() time.Time { return p.before(3) }
func (p *pair) servedUntil() time.Time { return p.before(6) }

// certificates are what the Secret holds.
type certificates struct {
	current, next *pair
	// bundle are the authorities to be trusted: of both certificates, and those of former ones until they expire, since a
	// manager may serve one for a moment longer.
	bundle []byte
}

// readCertificates reads what is usable of a Secret. What is not is made anew.
func readCertificates(data map[string][]byte, hosts []string) certificates {
	c := certificates{bundle: data[bundleKey]}
	c.current, _ = readPair(data[currentCert], data[currentKey], hosts)
	c.next, _ = readPair(data[nextCert], data[nextKey], hosts)
	return c
}

func (c certificates) data() map[string][]byte {
	data := map[string][]byte{bundleKey: c.bundle}
	if c.current != nil {
		data[currentCert], data[currentKey] = c.current.cert, c.current.key
	}
	if c.next != nil {
		data[nextCert], data[nextKey] = c.next.cert, c.next.key
	}
	return data
}

// advance returns what the Secret is to hold, given which bundle API servers trust by now.
func (c certificates) advance(now time.Time, trusted []byte, makeOne func() (*pair, error)) (certificates, error) {
	var err error
	switch {
	case c.current.validAt(now) && now.Before(c.current.successorAt()):
	case c.next.validAt(now):
		// Whatever API servers trust, a successor is better than a certificate that has expired.
		served := c.current.validAt(now) && (now.Before(c.current.servedUntil()) || !trusts(trusted, c.next.authority))
		if !served {
			c.current, c.next = c.next, nil
		}
	case c.current.validAt(now):
		c.next, err = makeOne()
	default:
		c.next = nil
		c.current, err = makeOne()
	}
	if err != nil {
		return c, err
	}
	c.bundle = bundleOf(now, c)
	return c, nil
}

// wakeAt returns when the certificates are to be looked at again, if nothing happens before.
func (c certificates) wakeAt(now time.Time) time.Time {
	if c.current == nil {
		return now
	}
	for _, at := range []time.Time{c.current.successorAt(), c.current.servedUntil()} {
		if now.Before(at) {
			return at
		}
	}
	return c.current.leaf.NotAfter
}

// bundleOf returns the authorities of the certificates and, of those in the bundle, the ones that have not expired.
func bundleOf(now time.Time, c certificates) []byte {
	all := slices.DeleteFunc(parseBundle(c.bundle), func(cert *x509.Certificate) bool { return !now.Before(cert.NotAfter) })
	for _, p := range []*pair{c.current, c.next} {
		if p != nil && !slices.ContainsFunc(all, p.authority.Equal) {
			all = append(all, p.authority)
		}
	}
	bundle := &bytes.Buffer{}
	for _, cert := range all {
		_ = pem.Encode(bundle, &pem.Block{Type: certutil.CertificateBlockType, Bytes: cert.Raw}) // A buffer takes everything.
	}
	return bundle.Bytes()
}

func trusts(bundle []byte, authority *x509.Certificate) bool {
	return slices.ContainsFunc(parseBundle(bundle), authority.Equal)
}

// parseBundle returns the certificates of a bundle, up to what is none.
func parseBundle(bundle []byte) []*x509.Certificate {
	parsed, _ := certutil.ParseCertsPEM(bundle)
	return parsed
}
