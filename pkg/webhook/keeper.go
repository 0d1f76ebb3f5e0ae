package webhook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

var errNoCertificate = errors.New("there is no certificate yet")

// keeper holds the certificate that is served, as the Secret was last seen to have it. Every manager has one. Connections
// that are open go on when it changes.
type keeper struct {
	log     logr.Logger
	current atomic.Pointer[tls.Certificate]
}

// get is for tls.Config.
func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := k.current.Load(); cert != nil {
		return cert, nil
	}
	return nil, errNoCertificate
}

// ready is the check of /readyz.
func (k *keeper) ready() error {
	if k.current.Load() == nil {
		return fmt.Errorf("webhooks: %w", errNoCertificate)
	}
	return nil
}

// handler takes the certificate of the Secret. One that cannot be read, or is gone, does not take the place of the last.
func (k *keeper) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    k.take,
		UpdateFunc: func(_, object any) { k.take(object) },
	}
}

func (k *keeper) take(object any) {
	secret, ok := object.(*corev1.Secret)
	if !ok || len(secret.Data[currentCert]) == 0 {
		return
	}
	cert, err := tls.X509KeyPair(secret.Data[currentCert], secret.Data[currentKey])
	if err != nil {
		k.log.Error(err, "the Secret has no certificate that can be served")
		return
	}
	k.current.Store(&cert)
}
