package controller

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/insitu-dev/insitu/pkg/webhook"
)

var (
	errPort          = errors.New("--webhook-port: must be from 1 to 65535")
	errCertDir       = errors.New("--webhook-cert-dir: whoever renews the files makes the certificates; leave out --webhook-secret")
	errSecret        = errors.New("--webhook-secret: must be set, as NAMESPACE/NAME, where --webhook-cert-dir is not")
	errConfiguration = errors.New("--webhook-configuration: must be set, to the name of the ValidatingWebhookConfiguration, " +
		"where --webhook-cert-dir is not")
	errHosts    = errors.New("--webhook-hosts: must be set, such as SERVICE.NAMESPACE.svc, where --webhook-cert-dir is not")
	errLifetime = fmt.Errorf("--webhook-certificate-lifetime: must be at least %s", webhook.MinLifetime)
)

// bindWebhooks binds the options of the webhooks. They are off by default: outside a cluster no API server reaches them.
func (o *Options) bindWebhooks(flags *flag.FlagSet) {
	w := &o.Webhook
	flags.BoolVar(&o.Webhooks, "webhooks", false, "Serve the admission webhooks.")
	flags.IntVar(&w.Port, "webhook-port", webhook.DefaultPort, "Port of the webhooks.")
	flags.StringVar(&w.CertDir, "webhook-cert-dir", "",
		"Folder with tls.crt and tls.key that somebody else renews; the manager takes up the new ones. Without it the manager makes them.")
	flags.Func("webhook-secret", "NAMESPACE/NAME of the Secret in which the manager keeps the certificates that it makes.",
		func(text string) error {
			namespace, name, found := strings.Cut(text, "/")
			if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
				return errors.New("must be NAMESPACE/NAME")
			}
			w.Secret = types.NamespacedName{Namespace: namespace, Name: name}
			return nil
		})
	flags.StringVar(&w.Configuration, "webhook-configuration", "",
		"Name of the ValidatingWebhookConfiguration that is to trust the certificates that the manager makes.")
	flags.Func("webhook-hosts", "Names and addresses, with commas between, by which API servers reach the webhooks.",
		func(text string) error {
			w.Hosts = strings.Split(text, ",")
			return nil
		})
	flags.DurationVar(&w.Lifetime, "webhook-certificate-lifetime", webhook.DefaultLifetime,
		"For how long a certificate that the manager makes is valid. It is replaced when five sixths of that are over.")
}

// validateWebhooks returns what is wrong with the options of webhooks that are to be served.
func validateWebhooks(w *webhook.Options) []error {
	var errs []error
	if w.Port < 1 || w.Port > 65535 {
		errs = append(errs, errPort)
	}
	if w.CertDir != "" {
		if w.Secret.Name != "" {
			errs = append(errs, errCertDir)
		}
		return errs
	}
	if w.Secret.Name == "" {
		errs = append(errs, errSecret)
	}
	if w.Configuration == "" {
		errs = append(errs, errConfiguration)
	}
	if w.Lifetime < webhook.MinLifetime {
		errs = append(errs, errLifetime)
	}
	return append(errs, validateHosts(w.Hosts)...)
}

func validateHosts(hosts []string) []error {
	if len(hosts) == 0 {
		return []error{errHosts}
	}
	wrong := slices.DeleteFunc(slices.Clone(hosts), func(host string) bool {
		return net.ParseIP(host) != nil || len(validation.IsDNS1123Subdomain(host)) == 0
	})
	if len(wrong) > 0 {
		return []error{fmt.Errorf("--webhook-hosts: %q is neither a name nor an address", wrong[0])}
	}
	return nil
}
