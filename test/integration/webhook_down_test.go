package integration_test

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// With nobody to answer the webhook, which is the state after a manager's node is lost, all goes on as if there were none.
func TestWebhookDown(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.identities()
	e.configureWebhooks("Ignore")

	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.change(setReplicas(5))
	e.untilComplete(app)
	e.scaleTo(2)
	e.untilComplete(app)
	e.change(setImage(imageV1), setEnv("fast"))
	e.untilComplete(app)
}

// Whoever chooses Fail cannot change a spec then. What was begun goes on all the same, and so does whatever scales.
func TestWebhookDownWithFail(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.identities()
	e.change(setImage(slowImage), unrehearsed)
	e.configureWebhooks("Fail")

	set := e.view.CloneSet(app).DeepCopy()
	pause := client.RawPatch("application/merge-patch+json", asJSON(t, ofRolling(`paused: true`)))
	if err := e.client.Patch(e.ctx, set.DeepCopy(), pause, client.DryRunAll); !apierrors.IsInternalError(err) {
		t.Errorf("the webhook is down, and a change of the spec got the error %v", err)
	}
	e.untilComplete(app)
	e.expectIdentities(before)
	e.scaleTo(5)
	e.untilComplete(app)
	e.must(e.client.Delete(e.ctx, &appsv1beta1.CloneSet{ObjectMeta: set.ObjectMeta}))
}

// The controller finds out by itself what the webhook would have refused.
func TestWebhookDownWhenItWouldRefuse(t *testing.T) {
	e := newEnv(t)
	e.created(2, setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	e.configureWebhooks("Ignore")
	e.change(setEnv("fast"))
	e.untilReason(appsv1beta1.ReasonInPlaceImpossible, "spec.template.spec.containers[0].env")
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Env = nil })
	e.untilComplete(app)
}

// configureWebhooks registers webhooks that nobody serves for the test's namespace, and returns when they are asked.
func (e *env) configureWebhooks(failurePolicy string) {
	e.Helper()
	configuration := webhookOfChart(e.T, failurePolicy)
	// One that fails tells when it is in force. The other one, of the same configuration, is so then, too.
	probe := webhookOfChart(e.T, "Fail").Webhooks[0]
	probe.Name = "probe." + probe.Name
	probe.MatchConditions[0].Expression = "object.metadata.name == 'probe'"
	configuration.Webhooks = append(configuration.Webhooks, probe)
	harness.Connect(e.T).ConfigureWebhooks(e.T, configuration, e.namespace, harness.FreePort(e.T))
	e.poll(func() (bool, string) {
		err := e.client.Create(e.ctx, e.cloneSet("probe", 1), client.DryRunAll)
		return apierrors.IsInternalError(err), "the webhook is not asked"
	})
}

// scaleTo sets the replicas of the test's CloneSet through its subresource, as an autoscaler does.
func (e *env) scaleTo(replicas int32) {
	e.Helper()
	e.must(e.scale(e.view.CloneSet(app), replicas))
	e.until(func() (bool, string) {
		return *e.view.CloneSet(app).Spec.Replicas == replicas, "the CloneSet is not scaled"
	})
}

// scale sets the replicas of a CloneSet through its subresource.
func (e *env) scale(set *appsv1beta1.CloneSet, replicas int32, options ...client.SubResourceUpdateOption) error {
	e.Helper()
	return untilNoConflict(func() error {
		scale := &autoscalingv1.Scale{}
		e.must(e.client.SubResource("scale").Get(e.ctx, set, scale))
		scale.Spec.Replicas = replicas
		return e.client.SubResource("scale").Update(e.ctx, set, append(options, client.WithSubResourceBody(scale))...)
	})
}
