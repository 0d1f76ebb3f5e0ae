package simulation

import (
	"slices"

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
	drains := a.Kind == plan.Drain && !c.leaving[a.Pod.UID]
	if !drains && a.Kind != plan.Recreate || begunBefore(a.Pod) || !c.servesAlone(a.Pod) {
		return
	}
	for _, pod := range c.in.Pods {
		if pod.UID != a.Pod.UID && pod.Spec.NodeName != "" && !c.goes(pod) && c.comesBack(pod) {
			c.run.fail("I1: %s while no other endpoint serves and %s is on its way back", a, pod.Name)
		}
	}
}

// goes tells whether the plan deletes a pod, or has a claim go with it, as it has before it deletes one that is too many.
func (c *checker) goes(pod *corev1.Pod) bool {
	return c.leaving[pod.UID] || slices.ContainsFunc(claimsOf(pod), func(claim string) bool { return c.bequeathed[claim] == pod.Name })
}

// servesAlone tells whether a pod serves, and no other one.
func (c *checker) servesAlone(last *corev1.Pod) bool {
	serving := c.manager.slices.ServingEndpoints()
	if !serving.Has(last.UID) {
		return false
	}
	for _, pod := range c.in.Pods {
		if c.gone[pod.UID] || !isReady(pod) || gateOf(pod) != corev1.ConditionTrue || !isAlive(pod) {
			serving.Delete(pod.UID) // The slices may not show it yet.
		}
	}
	return len(serving.Delete(last.UID)) == 0
}

// begunBefore tells whether a pod was chosen for its update, and waited for a hook.
func begunBefore(pod *corev1.Pod) bool {
	return stateOf(pod) == appsv1beta1.LifecyclePreparingUpdate || stateOf(pod) == appsv1beta1.LifecyclePreparingDelete
}

// comesBack tells whether a pod is on its way to serve. One that is down at an old revision may be one that the partition keeps,
// and is not waited for.
func (c *checker) comesBack(pod *corev1.Pod) bool {
	kept := partitionOf(c.set) > 0 && !c.isStable() && !c.atUpdate(pod) && !isReady(pod)
	goes := isSpecified(c.set, pod) || stateOf(pod) == appsv1beta1.LifecyclePreparingDelete
	return c.counts(pod) && !goes && !c.isAvailable(pod) && !kept
}
