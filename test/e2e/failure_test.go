package e2e

import (
	"slices"
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// touched collects, until stop is called, the pods that were ever given the image.
func (e *env) touched(image string) (stop func() sets.Set[types.UID]) {
	pods := sets.New[types.UID]()
	end := e.view.Observe(func() {
		for _, pod := range e.pods() {
			if pod.Spec.Containers[0].Image == image {
				pods.Insert(pod.UID)
			}
		}
	})
	return func() sets.Set[types.UID] {
		end()
		return pods
	}
}

// untilFailureIsTold waits until the status says that the rollout fails, and of which pods and why.
func (e *env) untilFailureIsTold(reasons ...string) {
	e.Helper()
	e.untilSet("the failure is not told", func(set *appsv1beta1.CloneSet) bool {
		progressing := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing)
		return progressing != nil && progressing.Reason == appsv1beta1.ReasonPausedByFailures &&
			slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
				return slices.Contains(reasons, n.Reason) && strings.Contains(progressing.Message, n.Name)
			})
	})
}

// An image that does not come up costs the pods of maxUnavailable, whatever is wrong with it, until a template that does
// is set.
func TestBadImageTouchesNoMorePodsThanAllowed(t *testing.T) {
	pullFails := []string{"ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"}
	tests := map[string]struct {
		image, recovery string
		reasons         []string
	}{
		"missing, then back to the old one":  {webMissing, webV1, pullFails},
		"missing, then on to a new one":      {webMissing, webV2, pullFails},
		"crashing, then back to the old one": {webCrash, webV1, []string{"CrashLoopBackOff", "Error"}},
		"crashing, then on to a new one":     {webCrash, webV2, []string{"CrashLoopBackOff", "Error"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
			e.change(unrehearsed)
			e.startLoad()
			before := e.pods()
			stop := e.touched(ref(test.image))
			e.setImage(ref(test.image))
			e.untilFailureIsTold(test.reasons...)
			e.setImage(ref(test.recovery))
			e.untilComplete()
			if pods := stop(); pods.Len() != 1 {
				t.Errorf("%d pods were given an image that does not come up, with maxUnavailable 1", pods.Len())
			}
			e.unchanged(before, framework.MainContainer)
			e.expectNoFailedRequest()
		})
	}
}
