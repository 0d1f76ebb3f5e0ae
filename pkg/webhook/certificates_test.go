package webhook

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

const lifetime = 60 * 24 * time.Hour

func hosts() []string { return []string{"insitu-webhook.insitu-system.svc", "127.0.0.1", "localhost"} }

// pairs are made once: keys take their time.
var pairs = sync.OnceValues(func() ([]*pair, error) {
	var all []*pair
	for range 2 {
		p, err := makePair(hosts(), lifetime)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
})

// twoPairs returns two certificates for the same hosts.
func twoPairs(t *testing.T) (first, second *pair) {
	t.Helper()
	all, err := pairs()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1]
}

// madeIn makes certificates, and tells how many it made.
func madeIn(t *testing.T) (makeOne func() (*pair, error), count *int) {
	t.Helper()
	count = new(int)
	return func() (*pair, error) {
		*count++
		return makePair(hosts(), lifetime)
	}, count
}

func TestCertificateIsForItsHosts(t *testing.T) {
	p, other := twoPairs(t)
	roots := x509.NewCertPool()
	roots.AddCert(p.authority)
	for _, host := range hosts() {
		if _, err := p.leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Error(err)
		}
	}
	if life := p.leaf.NotAfter.Sub(p.leaf.NotBefore); life != lifetime+ahead {
		t.Errorf("it lives for %s", life)
	}
	if _, err := readPair(p.cert, p.key, []string{"other.svc"}); err == nil {
		t.Error("it is taken for one of another host")
	}
	if _, err := readPair(p.cert, other.key, hosts()); err == nil {
		t.Error("it is taken with another key")
	}
	alone := p.cert[:bytes.Index(p.cert[1:], []byte("-----BEGIN"))+1]
	if _, err := readPair(alone, p.key, hosts()); !errors.Is(err, errNoAuthority) {
		t.Errorf("without an authority: got the error %v", err)
	}
	if _, err := readPair(slices.Concat(alone, other.cert[bytes.Index(other.cert[1:], []byte("-----BEGIN"))+1:]), p.key, hosts()); err == nil {
		t.Error("it is taken with another authority")
	}
}

func TestSecretKeepsCertificates(t *testing.T) {
	first, second := twoPairs(t)
	kept := certificates{current: first, next: second, bundle: bundleOf(time.Now(), certificates{current: first, next: second})}
	read := readCertificates(kept.data(), hosts())
	if !read.current.leaf.Equal(first.leaf) || !read.next.leaf.Equal(second.leaf) || !bytes.Equal(read.bundle, kept.bundle) {
		t.Error("what is read is not what was kept")
	}
	if none := readCertificates(kept.data(), []string{"other.svc"}); none.current != nil || none.next != nil {
		t.Error("certificates of other hosts are taken")
	}
}

// TestAdvance: what becomes of certificates, given what API servers trust, at a day of the first one's sixty.
func TestAdvance(t *testing.T) {
	const day = 24 * time.Hour
	first, second := twoPairs(t)
	begun := first.leaf.NotBefore.Add(ahead)
	both := bundleOf(begun, certificates{current: first, next: second})
	one := bundleOf(begun, certificates{current: first})
	tests := map[string]struct {
		day           int
		current, next *pair
		trusted       []byte
		want          []*pair // nil is a new one
		made          int
		wake          int
	}{
		"none yet":                           {0, nil, nil, nil, []*pair{nil}, 1, 40},
		"young":                              {39, first, nil, one, []*pair{first}, 0, 40},
		"two thirds":                         {40, first, nil, one, []*pair{first, nil}, 1, 50},
		"two thirds, with a successor":       {41, first, second, one, []*pair{first, second}, 0, 50},
		"five sixths":                        {50, first, second, both, []*pair{second}, 0, 0},
		"five sixths, and nobody trusts":     {50, first, second, one, []*pair{first, second}, 0, 60},
		"five sixths, with no configuration": {55, first, second, nil, []*pair{first, second}, 0, 60},
		"five sixths, late":                  {55, first, nil, one, []*pair{first, nil}, 1, 60},
		"unusable, with a successor":         {20, nil, second, one, []*pair{second}, 0, 40},
		"expired":                            {60, first, nil, one, []*pair{nil}, 1, 0},
		"expired, with its successor":        {61, first, second, both, []*pair{nil}, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := begun.Add(time.Duration(tt.day) * day)
			makeOne, count := madeIn(t)
			got, err := certificates{current: tt.current, next: tt.next, bundle: one}.advance(now, tt.trusted, makeOne)
			if err != nil || *count != tt.made {
				t.Fatalf("got the error %v, and %d were made", err, *count)
			}
			expectPairs(t, got, tt.want, first, second)
			if wake := got.wakeAt(now); tt.wake > 0 && wake.Sub(begun).Round(time.Hour) != time.Duration(tt.wake)*day {
				t.Errorf("woken after %s", wake.Sub(begun))
			}
			for _, p := range []*pair{got.current, got.next} {
				if p != nil && !trusts(got.bundle, p.authority) {
					t.Error("the bundle lacks a certificate's authority")
				}
			}
			if now.Before(first.leaf.NotAfter) != trusts(got.bundle, first.authority) {
				t.Error("a former authority is to be trusted until it expires, and no longer")
			}
		})
	}
}

// expectPairs checks the current certificate and its successor. One that is wanted as nil is neither of those known.
func expectPairs(t *testing.T, got certificates, want []*pair, known ...*pair) {
	t.Helper()
	all := []*pair{got.current, got.next}
	if got.next == nil {
		all = all[:1]
	}
	if len(all) != len(want) {
		t.Fatalf("there are %d certificates, want %d", len(all), len(want))
	}
	for i, p := range all {
		if want[i] != p && (want[i] != nil || slices.Contains(known, p)) {
			t.Errorf("certificate %d is not the one wanted", i)
		}
	}
}

func TestAdvanceKeepsWhatThereIsIfNoneCanBeMade(t *testing.T) {
	first, _ := twoPairs(t)
	broken := errors.New("no entropy")
	got, err := certificates{current: first}.advance(first.successorAt(), nil, func() (*pair, error) { return nil, broken })
	if !errors.Is(err, broken) || got.current != first {
		t.Errorf("got %v and the error %v", got, err)
	}
}
