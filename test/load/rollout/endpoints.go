package rollout

import (
	discoveryv1 "k8s.io/api/discovery/v1"
)

// InService returns the pods with an endpoint that is ready and not terminating. A condition that is not set means what
// the API says: ready, and not terminating.
func InService(endpointSlices []*discoveryv1.EndpointSlice) Pods {
	pods := Pods{}
	for _, s := range endpointSlices {
		for _, e := range s.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && takesTraffic(e.Conditions) {
				pods.Insert(e.TargetRef.UID)
			}
		}
	}
	return pods
}

func takesTraffic(c discoveryv1.EndpointConditions) bool {
	return (c.Ready == nil || *c.Ready) && (c.Terminating == nil || !*c.Terminating)
}
