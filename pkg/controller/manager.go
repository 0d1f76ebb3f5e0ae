package controller

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/observe"
	"github.com/insitu-dev/insitu/pkg/webhook"
)

// NewManager returns a manager with all controllers, ready to be started.
func NewManager(ctx context.Context, config *rest.Config, o *Options) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.UserAgent = appsv1beta1.FieldOwner
	config.QPS = -1 // The API server's priority and fairness knows better what it can bear.
	webhooks := webhook.New(&o.Webhook)
	mgr, err := ctrl.NewManager(config, manager.Options{
		Scheme:                        scheme,
		Cache:                         observe.CacheOptions(),
		Client:                        client.Options{FieldOwner: appsv1beta1.FieldOwner},
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              appsv1beta1.FieldOwner,
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		// A connection of its own: the lease is not lost because the others are busy.
		LeaderElectionConfig:   rest.CopyConfig(config),
		HealthProbeBindAddress: o.HealthAddress,
		Metrics:                server.Options{BindAddress: o.MetricsAddress},
		WebhookServer:          webhooks.Server(),
		// A process may run several managers, one after the other or for several clusters; each has all controllers.
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	if err := addChecks(mgr); err != nil {
		return nil, err
	}
	if o.Webhooks {
		if err := webhooks.Setup(ctx, mgr, clock.RealClock{}); err != nil {
			return nil, err
		}
	}
	return mgr, cloneset.Setup(ctx, mgr, metrics.Registry, clock.RealClock{})
}

// newScheme returns a scheme of the kinds that the controllers use, and no others.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1beta1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, discoveryv1.AddToScheme, eventsv1.AddToScheme,
		admissionregistrationv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("scheme: %w", err)
		}
	}
	return scheme, nil
}

func addChecks(mgr manager.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("readiness check: %w", err)
	}
	return nil
}
