package simulation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// service is the one Service of the simulation, as a manager sees it. It lists every pod of the CloneSet.
type service struct {
	serving   sets.Set[types.UID]
	publishes bool
}

// Of returns what the Service lists of a pod.
func (s service) Of(pod types.UID) []plan.Endpoint {
	serving := s.serving.Has(pod)
	return []plan.Endpoint{{Service: "web", Serving: serving, Published: s.publishes && !serving}}
}

// AnyServing tells whether another endpoint is serving.
func (s service) AnyServing(_ string, except func(types.UID) bool) bool {
	for pod := range s.serving {
		if !except(pod) {
			return true
		}
	}
	return false
}

// lastEndpoint checks that the last pod that serves stays while another one is on its way back.
func (c *checker) lastEndpoint(a *plan.Action) {
	if a.Kind != plan.Drain && a.Kind != plan.Recreate {
		return
	}
	serving := c.manager.slices.ServingEndpoints()
	if !serving.Has(a.Pod.UID) || begunBefore(a.Pod) {
		return
	}
	serving = serving.Difference(sets.KeySet(c.taken)).Delete(a.Pod.UID)
	for _, pod := range c.in.Pods {
		if !isReady(pod) || gateOf(pod) != corev1.ConditionTrue || pod.DeletionTimestamp != nil {
			serving.Delete(pod.UID) // The slices may not show it yet.
		}
	}
	if len(serving) > 0 {
		return
	}
	for _, pod := range c.in.Pods {
		if pod.UID != a.Pod.UID && pod.Spec.NodeName != "" && !c.leaving[pod.UID] && c.comesBack(pod) {
			c.run.fail("I1: %s while no other endpoint serves and %s is on its way back", a, pod.Name)
		}
	}
}

// begunBefore tells whether a pod was chosen for its update, and waited for a hook.
func begunBefore(pod *corev1.Pod) bool {
	return stateOf(pod) == appsv1beta1.LifecyclePreparingUpdate || stateOf(pod) == appsv1beta1.LifecyclePreparingDelete
}

// comesBack tells whether a pod is on its way to serve. One whose deletion was announced may go on waiting for that.
func (c *checker) comesBack(pod *corev1.Pod) bool {
	return c.counts(pod) && stateOf(pod) != appsv1beta1.LifecyclePreparingDelete && !isSpecified(c.set, pod) && !c.isAvailable(pod)
}
