package webhook

import (
	"crypto/tls"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

const (
	// Path is where CloneSets are validated.
	Path = "/validate-apps-insitu-dev-v1beta1-cloneset"
	// DefaultPort is the port of the webhooks.
	DefaultPort = 9443
	// DefaultLifetime is that of a certificate.
	DefaultLifetime = 90 * 24 * time.Hour
	// MinLifetime leaves a manager the time to tell the API servers of a new certificate.
	MinLifetime = 10 * time.Second
)

// Options say where the webhooks are served, and with which certificate.
type Options struct {
	// Port is the port, on all addresses.
	Port int
	// CertDir is a folder with tls.crt and tls.key, which somebody else renews. Without one, the certificates are made
	// here, and the rest says how.
	CertDir string
	// Secret holds the certificates. Nothing but this Secret is read.
	Secret types.NamespacedName
	// Configuration is the name of the ValidatingWebhookConfiguration that is to trust them.
	Configuration string
	// Hosts are the names and addresses by which API servers reach the webhooks.
	Hosts []string
	// Lifetime is that of a certificate.
	Lifetime time.Duration
}

// Webhooks are the webhooks of one manager.
type Webhooks struct {
	options *Options
	keeper  keeper
}

// New returns webhooks that are still to be added to a manager.
func New(options *Options) *Webhooks { return &Webhooks{options: options} }

// Server returns the server of the webhooks.
func (w *Webhooks) Server() ctrlwebhook.Server {
	return ctrlwebhook.NewServer(ctrlwebhook.Options{
		Port: w.options.Port, CertDir: w.options.CertDir, TLSOpts: []func(*tls.Config){w.secure},
	})
}

func (w *Webhooks) secure(config *tls.Config) {
	config.MinVersion = tls.VersionTLS13 // Every API server that is supported speaks it.
	if w.options.CertDir == "" {
		config.GetCertificate = w.keeper.get
	}
}
