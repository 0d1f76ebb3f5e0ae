package e2e

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// A CloneSet that is deleted without its pods, as kubectl delete --cascade=orphan does it, and made again takes them back
// under load: nothing is restarted, and the next update is made in place.
func TestDeletedAndMadeAgainKeepsItsPods(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	e.must(e.cluster.Client.Delete(e.ctx, e.spec.CloneSet(), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	e.until(func() (bool, string) { return e.view.CloneSet(app) == nil, "the CloneSet is still there" })
	e.must(e.cluster.Client.Create(e.ctx, e.spec.CloneSet()))
	e.until(func() (bool, string) {
		set := e.view.CloneSet(app)
		owned := 0
		for _, pod := range e.pods() {
			if set != nil && metav1.IsControlledBy(pod, set) {
				owned++
			}
		}
		return owned == len(before), "the pods are not taken back:" + e.view.Describe(app)
	})
	e.untilComplete()
	e.unchanged(before)
	e.setImage(ref(webV2))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.expectNoFailedRequest()
}
