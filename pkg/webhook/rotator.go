package webhook

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// retryAfter is how long a rotation that failed waits. Certificates are made long before they are needed.
	retryAfter = 5 * time.Second
	// recheckAfter bounds the wait for the next one: the clock of timers stands still while a machine sleeps.
	recheckAfter = time.Hour
)

// rotator keeps the Secret and the configuration of the webhooks as they have to be. Only the leader does.
type rotator struct {
	// live reads past the caches: it is asked seldom, and two certificates made at a time would be one too many.
	live    client.Reader
	client  client.Client
	options *Options
	clock   clock.Clock
	// changed tells that the Secret or the configuration did.
	changed <-chan struct{}
}

// NeedLeaderElection tells the manager to run it in one process only.
func (*rotator) NeedLeaderElection() bool { return true }

// Start rotates until the context ends. It never fails: without certificates there are no webhooks, and the controller
// goes on.
func (r *rotator) Start(ctx context.Context) error {
	for {
		wait := retryAfter
		if at, err := r.rotate(ctx); err == nil {
			wait = min(at.Sub(r.clock.Now()), recheckAfter)
		} else if ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "the certificate of the webhooks could not be renewed", "retryAfter", wait.String())
		}
		timer := r.clock.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.changed:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// rotate does what is due, and returns when there will be something to do again.
func (r *rotator) rotate(ctx context.Context) (time.Time, error) {
	secret, err := r.secret(ctx)
	if err != nil {
		return time.Time{}, err
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	err = r.live.Get(ctx, client.ObjectKey{Name: r.options.Configuration}, configuration)
	if client.IgnoreNotFound(err) != nil {
		return time.Time{}, fmt.Errorf("reading the configuration of the webhooks: %w", err)
	}
	now := r.clock.Now()
	before := readCertificates(secret.Data, r.options.Hosts)
	after, err := before.advance(now, trusted(configuration), func() (*pair, error) {
		return makePair(r.options.Hosts, r.options.Lifetime)
	})
	if err != nil {
		return time.Time{}, err
	}
	if err := r.save(ctx, secret, after.data()); err != nil {
		return time.Time{}, err
	}
	return after.wakeAt(now), r.inject(ctx, configuration, after.bundle)
}

// secret returns the Secret, or one that is still to be made.
func (r *rotator) secret(ctx context.Context) (*corev1.Secret, error) {
	key := r.options.Secret
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificates: %w", err)
	}
	return secret, nil
}

// save writes the Secret, if it changed.
func (r *rotator) save(ctx context.Context, secret *corev1.Secret, data map[string][]byte) error {
	if maps.EqualFunc(secret.Data, data, bytes.Equal) {
		return nil
	}
	secret.Data = data
	write := func() error { return r.client.Update(ctx, secret) }
	if secret.ResourceVersion == "" {
		write = func() error { return r.client.Create(ctx, secret) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("writing the certificates: %w", err)
	}
	log.FromContext(ctx).Info("wrote the certificates of the webhooks", "secret", client.ObjectKeyFromObject(secret))
	return nil
}

// inject has API servers trust a bundle, if there is a configuration.
func (r *rotator) inject(
	ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, bundle []byte,
) error {
	if configuration.ResourceVersion == "" || bytes.Equal(trusted(configuration), bundle) {
		return nil
	}
	before := configuration.DeepCopy()
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = bundle
	}
	patch := client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, configuration, patch); err != nil {
		return fmt.Errorf("writing the configuration of the webhooks: %w", err)
	}
	return nil
}

// trusted returns the bundle that all webhooks of a configuration have in common, or nothing.
func trusted(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) []byte {
	var bundle []byte
	for i := range configuration.Webhooks {
		here := configuration.Webhooks[i].ClientConfig.CABundle
		if i > 0 && !bytes.Equal(here, bundle) {
			return nil
		}
		bundle = here
	}
	return bundle
}
