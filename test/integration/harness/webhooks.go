package harness

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/webhook"
)

// loopback is where webhooks of this process are reached.
const loopback = "127.0.0.1"

// WebhookOptions returns options for webhooks that are served by this process, with certificates in a namespace that live
// that long.
func WebhookOptions(tb testing.TB, namespace string, lifetime time.Duration) webhook.Options {
	tb.Helper()
	return webhook.Options{
		Port: FreePort(tb), Secret: types.NamespacedName{Namespace: namespace, Name: "certificates"},
		Configuration: namespace, Hosts: []string{loopback}, Lifetime: lifetime,
	}
}

// FreePort returns a port that nothing listened at a moment ago.
func FreePort(tb testing.TB) int {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", net.JoinHostPort(loopback, "0"))
	must(tb, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// ConfigureWebhooks registers the webhooks of a configuration, as the chart has it, for one namespace and for webhooks
// that are served at a port of this machine. It goes after the test.
func (c *Cluster) ConfigureWebhooks(
	tb testing.TB, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, namespace string, port int,
) {
	tb.Helper()
	configuration.ObjectMeta = metav1.ObjectMeta{Name: namespace}
	for i := range configuration.Webhooks {
		hook := &configuration.Webhooks[i]
		url := "https://" + net.JoinHostPort(loopback, strconv.Itoa(port)) + *hook.ClientConfig.Service.Path
		hook.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: &url}
		hook.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}
	}
	must(tb, c.Client.Create(tb.Context(), configuration))
	tb.Cleanup(func() { must(tb, c.Client.Delete(context.Background(), configuration)) })
}

// StartWebhooks serves webhooks, and nothing else, until the test ends. With a namespace for the lease only one of those
// that are started so takes care of the certificates. It may be stopped before.
func (c *Cluster) StartWebhooks(tb testing.TB, options *webhook.Options, leaseNamespace string) (stop func()) {
	tb.Helper()
	config := rest.CopyConfig(c.Config)
	config.UserAgent = appsv1beta1.FieldOwner
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	webhooks := webhook.New(options)
	mgr, err := manager.New(config, manager.Options{
		Scheme: c.Scheme, WebhookServer: webhooks.Server(), HealthProbeBindAddress: "0",
		LeaderElection: leaseNamespace != "", LeaderElectionID: "webhooks", LeaderElectionNamespace: leaseNamespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: "0"},
		Controller:                    ctrlconfig.Controller{SkipNameValidation: new(true)},
	})
	must(tb, err)
	must(tb, webhooks.Setup(ctx, mgr, clock.RealClock{}))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("the webhooks: %v", err)
		}
	}
	tb.Cleanup(stop)
	return stop
}
