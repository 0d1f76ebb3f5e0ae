package webhook

import (
	"bytes"
	"context"
	"errors"
	goruntime "runtime"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// stage is a rotator with a world around it.
type stage struct {
	*testing.T
	rotator *rotator
	clock   *testingclock.FakeClock
	client  client.Client
	changed chan struct{}
	writes  int
	refuse  error
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, admissionregistrationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &stage{T: t, clock: testingclock.NewFakeClock(time.Now()), changed: make(chan struct{}, 1)}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return s.write(func() error { return c.Create(ctx, object, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return s.write(func() error { return c.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return s.write(func() error { return c.Patch(ctx, object, patch, options...) })
		},
	}).Build()
	options := &Options{
		Secret: types.NamespacedName{Namespace: "insitu-system", Name: "certificates"}, Configuration: "insitu",
		Hosts: hosts(), Lifetime: lifetime,
	}
	s.rotator = &rotator{live: s.client, client: s.client, options: options, clock: s.clock, changed: s.changed}
	return s
}

func (s *stage) write(do func() error) error {
	s.writes++
	if s.refuse != nil {
		return s.refuse
	}
	return do()
}

func (s *stage) rotate() time.Time {
	s.Helper()
	at, err := s.rotator.rotate(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return at
}

func (s *stage) kept() certificates {
	s.Helper()
	secret := &corev1.Secret{}
	if err := s.client.Get(s.Context(), s.rotator.options.Secret, secret); err != nil {
		s.Fatal(err)
	}
	return readCertificates(secret.Data, hosts())
}

func (s *stage) trusted() []byte {
	s.Helper()
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := s.client.Get(s.Context(), client.ObjectKey{Name: "insitu"}, found); err != nil {
		s.Fatal(err)
	}
	return trusted(found)
}

func configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "insitu"},
		Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "a.insitu.dev"}, {Name: "b.insitu.dev"}},
	}
}

func emptySecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "insitu-system", Name: "certificates", Labels: map[string]string{"a": "b"}}}
}

// From the first certificate to its successor, which is trusted before it is served, and both are while managers change.
func TestRotator(t *testing.T) {
	s := newStage(t, emptySecret(), configuration())
	s.expectWake(s.rotate(), 40)
	first := s.kept().current
	s.expectTrusted(first)
	s.expectWrites(2)
	s.rotate()
	s.expectWrites(2)

	s.clock.SetTime(first.successorAt())
	s.expectWake(s.rotate(), 50)
	kept := s.kept()
	if kept.current.leaf.SerialNumber.Cmp(first.leaf.SerialNumber) != 0 || kept.next == nil {
		t.Fatal("the successor is not there, or was served too early")
	}
	s.expectTrusted(first, kept.next)
	s.expectWrites(4)

	s.clock.SetTime(first.servedUntil())
	s.rotate()
	if now := s.kept(); !now.current.leaf.Equal(kept.next.leaf) || now.next != nil {
		t.Fatal("the successor is not served")
	}
	s.expectTrusted(first, kept.next)
	s.expectWrites(5)
}

func (s *stage) expectWake(at time.Time, day int) {
	s.Helper()
	begun := s.kept().current.leaf.NotBefore.Add(ahead)
	if got := at.Sub(begun).Round(time.Hour); got != time.Duration(day)*24*time.Hour {
		s.Errorf("it wants to look again after %s, want day %d", got, day)
	}
}

func (s *stage) expectTrusted(pairs ...*pair) {
	s.Helper()
	for _, p := range pairs {
		if !trusts(s.trusted(), p.authority) {
			s.Error("an authority is not trusted")
		}
	}
}

func (s *stage) expectWrites(want int) {
	s.Helper()
	if s.writes != want {
		s.Errorf("there were %d writes, want %d", s.writes, want)
	}
}

func TestRotatorMakesTheSecret(t *testing.T) {
	s := newStage(t, configuration())
	s.rotate()
	s.expectTrusted(s.kept().current)
}

func TestRotatorWithoutAConfiguration(t *testing.T) {
	s := newStage(t, emptySecret())
	s.rotate()
	s.expectWrites(1)
	if err := s.client.Create(t.Context(), configuration()); err != nil {
		t.Fatal(err)
	}
	s.rotate()
	s.expectTrusted(s.kept().current)
}

// A bundle that only one of the webhooks has is none.
func TestRotatorMendsTheBundle(t *testing.T) {
	s := newStage(t, emptySecret(), configuration())
	s.rotate()
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Name: "insitu"}, found); err != nil {
		t.Fatal(err)
	}
	found.Webhooks[1].ClientConfig.CABundle = nil
	if err := s.client.Update(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	s.rotate()
	if !bytes.Equal(s.trusted(), s.kept().bundle) {
		t.Error("a webhook has no bundle")
	}
}

// It goes on after what fails, looks at once when something changed, and ends without an error.
func TestRotatorRuns(t *testing.T) {
	s := newStage(t, emptySecret(), configuration())
	s.refuse = errors.New("forbidden")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.rotator.Start(ctx) }()
	s.untilWaiting()
	s.refuse = nil
	s.clock.Step(retryAfter)
	s.untilWaiting()
	first := s.kept().current
	s.expectTrusted(first)

	if err := s.client.Delete(t.Context(), emptySecret()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.changed <- struct{}{} // There is room for one: the third is taken when the first was dealt with.
	}
	if now := s.kept().current; now.leaf.Equal(first.leaf) {
		t.Error("the Secret was deleted, and nothing came of it")
	}
	s.clock.Step(recheckAfter)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// untilWaiting returns when the rotator has set its timer.
func (s *stage) untilWaiting() {
	s.Helper()
	for !s.clock.HasWaiters() {
		if s.Context().Err() != nil {
			s.Fatal("the rotator does not wait")
		}
		goruntime.Gosched()
	}
}
