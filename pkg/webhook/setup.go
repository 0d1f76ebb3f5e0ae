package webhook

import (
	"context"
	"fmt"
	"net/http"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Setup adds the webhooks to a manager that has their server.
func (w *Webhooks) Setup(ctx context.Context, mgr manager.Manager, now clock.Clock) error {
	pods, err := podClient(mgr)
	if err != nil {
		return err
	}
	validator := &Validator{Pods: pods, Revisions: mgr.GetAPIReader()}
	server := mgr.GetWebhookServer()
	server.Register(Path, admission.WithValidator[*appsv1beta1.CloneSet](mgr.GetScheme(), validator))
	if err := mgr.AddReadyzCheck("webhooks", w.checker(server.StartedChecker())); err != nil {
		return fmt.Errorf("readiness check: %w", err)
	}
	if w.options.CertDir != "" {
		return nil
	}
	return w.setupCertificates(ctx, mgr, now)
}

// checker asks for a certificate first: it is what is missing for a moment at the first start, and the better message.
func (w *Webhooks) checker(started func(*http.Request) error) func(*http.Request) error {
	return func(request *http.Request) error {
		if w.options.CertDir == "" {
			if err := w.keeper.ready(); err != nil {
				return err
			}
		}
		return started(request)
	}
}

// podClient returns a client that sends JSON, the only encoding of which API servers check the fields.
func podClient(mgr manager.Manager) (client.Client, error) {
	config := rest.CopyConfig(mgr.GetConfig())
	config.ContentType = runtime.ContentTypeJSON
	config.WarningHandler, config.WarningHandlerWithContext = nil, warningsToContext{}
	c, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return c, nil
}

func (w *Webhooks) setupCertificates(ctx context.Context, mgr manager.Manager, now clock.Clock) error {
	w.keeper.log = mgr.GetLogger().WithName("webhooks")
	watched, err := w.watched(mgr)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	if err := listen(ctx, watched, &corev1.Secret{}, w.keeper.handler(), signal(changed)); err != nil {
		return err
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := listen(ctx, watched, configuration, signal(changed)); err != nil {
		return err
	}
	if err := mgr.Add(everywhere{watched.Start}); err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	return mgr.Add(&rotator{
		live: mgr.GetAPIReader(), client: mgr.GetClient(), options: w.options, clock: now, changed: changed,
	})
}

// watched returns a cache of nothing but the Secret and the configuration. It is not the manager's, since the controllers
// do not start before all of that is there.
func (w *Webhooks) watched(mgr manager.Manager) (cache.Cache, error) {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{
				w.options.Secret.Namespace: {FieldSelector: named(w.options.Secret.Name)},
			}},
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: {Field: named(w.options.Configuration)},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return c, nil
}

func listen(ctx context.Context, watched cache.Cache, object client.Object, handlers ...toolscache.ResourceEventHandler) error {
	informer, err := watched.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	for _, handler := range handlers {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("webhooks: %w", err)
		}
	}
	return nil
}

// signal returns a handler that tells that something happened, and not what.
func signal(changed chan<- struct{}) toolscache.ResourceEventHandler {
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // It was told already and not heard yet.
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: tell, DeleteFunc: tell, UpdateFunc: func(_, object any) { tell(object) },
	}
}

// everywhere runs in every manager, be it the leader or not.
type everywhere struct{ manager.RunnableFunc }

// NeedLeaderElection tells the manager so.
func (everywhere) NeedLeaderElection() bool { return false }
