package webhook

import (
	"errors"
	"net/http"
	"testing"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
)

func TestKeeperTakesWhatCanBeServed(t *testing.T) {
	k := &keeper{log: testr.New(t)}
	handler := k.handler()
	if _, err := k.get(nil); !errors.Is(err, errNoCertificate) || k.ready() == nil {
		t.Errorf("before there is a certificate: got the error %v", err)
	}
	handler.OnAdd(&corev1.Secret{}, true)
	if k.ready() == nil {
		t.Error("an empty Secret makes it ready")
	}
	first, second := twoPairs(t)
	secret := func(p *pair) *corev1.Secret { return &corev1.Secret{Data: certificates{current: p}.data()} }
	handler.OnAdd(secret(first), true)
	expectServed(t, k, first)
	handler.OnUpdate(secret(first), secret(second))
	expectServed(t, k, second)

	broken := secret(first)
	broken.Data[currentKey] = second.key
	handler.OnUpdate(secret(second), broken)
	handler.OnUpdate(broken, &corev1.Secret{})
	handler.OnDelete(secret(second))
	handler.OnAdd("what is this?", true)
	expectServed(t, k, second)
}

func expectServed(t *testing.T, k *keeper, want *pair) {
	t.Helper()
	got, err := k.get(nil)
	if err != nil || k.ready() != nil || !got.Leaf.Equal(want.leaf) {
		t.Errorf("got the error %v, or another certificate", err)
	}
}

// A manager is ready when it serves, and not before it has a certificate, unless others make it.
func TestReadyWhenServing(t *testing.T) {
	down := errors.New("not started")
	started := func(*http.Request) error { return down }
	own := New(&Options{})
	if err := own.checker(started)(nil); !errors.Is(err, errNoCertificate) {
		t.Errorf("without a certificate: got the error %v", err)
	}
	first, _ := twoPairs(t)
	own.keeper.take(&corev1.Secret{Data: certificates{current: first}.data()})
	if err := own.checker(started)(nil); !errors.Is(err, down) {
		t.Errorf("not started: got the error %v", err)
	}
	if err := New(&Options{CertDir: "/certificates"}).checker(started)(nil); !errors.Is(err, down) {
		t.Errorf("with somebody else's certificate: got the error %v", err)
	}
}
