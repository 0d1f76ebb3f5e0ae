package integration_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/webhook"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// guarded is a namespace whose CloneSets go through the webhook, registered as the chart does it. A controller may run or
// not: other tests share one.
type guarded struct {
	*testing.T
	cluster   *harness.Cluster
	namespace string
	options   webhook.Options
	client    client.WithWatch
	warnings  *warnings
	// stop stops the webhook.
	stop func()
}

// newGuarded returns when the webhook is asked. Whatever it does not answer is refused, so that no test passes without it.
func newGuarded(t *testing.T) *guarded {
	t.Helper()
	return newGuardedFor(t, time.Hour)
}

// newGuardedFor does the same with certificates of a shorter life.
func newGuardedFor(t *testing.T, lifetime time.Duration) *guarded {
	t.Helper()
	cluster := harness.Connect(t)
	t.Parallel()
	return guard(t, cluster, cluster.Namespace(t), lifetime)
}

// guard has the CloneSets of a namespace go through the webhook from now on.
func guard(t *testing.T, cluster *harness.Cluster, namespace string, lifetime time.Duration) *guarded {
	t.Helper()
	g := &guarded{T: t, cluster: cluster, namespace: namespace, warnings: &warnings{}}
	g.options = harness.WebhookOptions(t, g.namespace, lifetime)
	g.stop = g.cluster.StartWebhooks(t, &g.options, g.namespace)
	g.cluster.ConfigureWebhooks(t, webhookOfChart(t, "Fail"), g.namespace, g.options.Port)
	config := rest.CopyConfig(g.cluster.Config)
	config.WarningHandlerWithContext = g.warnings
	var err error
	g.client, err = client.NewWithWatch(config, client.Options{Scheme: g.cluster.Scheme, FieldValidation: "Strict"})
	if err != nil {
		t.Fatal(err)
	}
	g.untilAsked()
	return g
}

// webhookOfChart returns the configuration that the chart has.
func webhookOfChart(t *testing.T, failurePolicy string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	for _, object := range render(t, "any", "{webhooks: {failurePolicy: "+failurePolicy+"}}") {
		if object.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, configuration, true)
		if err != nil {
			t.Fatal(err)
		}
		return configuration
	}
	t.Fatal("the chart has no ValidatingWebhookConfiguration")
	return nil
}

// untilAsked waits until the API server has heard of the webhook and trusts it.
func (g *guarded) untilAsked() {
	g.Helper()
	bad := manifest(g.T, g.namespace, ofPod(`dnsPolicy: Never`))
	var last error
	err := wait.PollUntilContextTimeout(g.Context(), pollInterval, stepTimeout, true, func(ctx context.Context) (bool, error) {
		last = g.client.Create(ctx, bad.DeepCopy(), client.DryRunAll)
		return apierrors.IsInvalid(last), nil
	})
	if err != nil {
		g.Fatalf("the webhook is not asked: %v", last)
	}
	g.warnings.take()
}

// try creates a CloneSet as a dry run.
func (g *guarded) try(patch string) error {
	g.Helper()
	return g.client.Create(g.Context(), manifest(g.T, g.namespace, patch), client.DryRunAll)
}

// created creates a CloneSet.
func (g *guarded) created(patch string) *appsv1beta1.CloneSet {
	g.Helper()
	object := manifest(g.T, g.namespace, patch)
	if err := g.client.Create(g.Context(), object); err != nil {
		g.Fatal(err)
	}
	set := &appsv1beta1.CloneSet{}
	if err := g.client.Get(g.Context(), client.ObjectKeyFromObject(object), set); err != nil {
		g.Fatal(err)
	}
	g.warnings.take()
	return set
}

// patched returns what a merge patch, written in YAML, is answered with.
func (g *guarded) patched(set *appsv1beta1.CloneSet, patch string, options ...client.PatchOption) error {
	g.Helper()
	raw := client.RawPatch("application/merge-patch+json", asJSON(g.T, patch))
	return g.client.Patch(g.Context(), set.DeepCopy(), raw, options...)
}

func (g *guarded) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// expectWarnings checks that each text is part of one of the warnings heard, and that there are as many.
func (g *guarded) expectWarnings(want ...string) {
	g.Helper()
	got := g.warnings.take()
	if len(got) != len(want) {
		g.Errorf("got the warnings %q, want %q", got, want)
		return
	}
	for _, text := range want {
		if !slices.ContainsFunc(got, func(warning string) bool { return strings.Contains(warning, text) }) {
			g.Errorf("got the warnings %q, want %q", got, text)
		}
	}
}

// warnings are those that a client heard.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeaderWithContext takes note of a warning.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}
